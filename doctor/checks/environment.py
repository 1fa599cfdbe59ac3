"""Checks of the built environment: present, intact, and built from the present lock."""

from __future__ import annotations

from sdcoreml.doctor.checks.pins import PROVE, REPAIR, list_some
from sdcoreml.doctor.core.check import (
    CheckFamily,
    Finding,
    Findings,
    Fix,
    check,
    error,
    info,
    ok,
    warning,
)
from sdcoreml.doctor.core.facts import (
    CondaEnvironment,
    EnvironmentFacts,
    EvidenceFacts,
    LockFacts,
    Smoke,
    ToolchainFacts,
    VerificationFacts,
)
from sdcoreml.ground.quantity import amount

ANEW = Fix("build it from packages fetched anew", commands=(("sdcoreml", "env", "--no-cache"),))


def build(toolchain: ToolchainFacts, lock: LockFacts | None) -> Fix:
    """Return the fix for a missing environment: the command that builds it, and its size."""
    fetched = f"{amount(lock.download)} to download unless cached, " if lock else ""
    size = f"{fetched}{amount(toolchain.installed_bytes)} on disk"
    return Fix(f"build it ({size})", commands=(("sdcoreml", "env"),), safe=True)


RESEAL = Fix("seal it anew", commands=(("sdcoreml", "env"),), safe=True)
UPGRADED = Fix(
    "reinstall that Python, or build on what is there now",
    commands=(("sdcoreml", "env", "build", "--fresh"),),
)
BY_CONDA = Fix("`sdcoreml env --backend conda` makes one that is, apart from it; or remove it")


@check("ENV001", CheckFamily.ENVIRONMENT)
def present(
    toolchain: ToolchainFacts,
    environment: EnvironmentFacts | None = None,
    lock: LockFacts | None = None,
) -> Findings:
    """The tested environment is built.

    Conversion runs in an environment of its own, built from the lock and separate from the host's
    Python. `sdcoreml convert` builds it when it is missing.
    """
    if environment is None:
        yield warning(
            f"the {toolchain.name} environment is not built yet",
            why="Conversion runs inside it; `sdcoreml convert` builds it first.",
            fix=build(toolchain, lock),
        )
    else:
        yield ok(f"{len(environment.installed)} packages, Python {environment.python}")


@check("ENV002", CheckFamily.ENVIRONMENT)
def of_this_lock(
    environment: EnvironmentFacts, lock: LockFacts, toolchain: ToolchainFacts
) -> Findings:
    """The environment was built from the lock of this checkout.

    After a `git pull` that changed the lock, the old environment is still there and intact, but it
    is no longer the tested one.
    """
    if environment.lock_digest and environment.lock_digest != lock.digest:
        yield error(
            "the environment was built from another lock than this checkout's",
            why="The lock has changed since; results would not be those that were tested.",
            fix=build(toolchain, lock),
        )


@check("ENV003", CheckFamily.ENVIRONMENT)
def complete(environment: EnvironmentFacts) -> Findings:
    """Every installed package has its files and its metadata.

    An installer that is killed half-way leaves metadata without files, or files without metadata.
    Afterwards uv, pip and pip-sync all report that nothing is wrong. This check reads the metadata
    alone; --deep hashes every byte.
    """
    if environment.hollow:
        yield error(
            f"recorded as installed, but their files are gone: {list_some(environment.hollow)}",
            why="pip, uv and pip-sync all call this environment fine; the import will fail.",
            fix=REPAIR,
        )
    if environment.headless:
        yield error(
            f"without METADATA or RECORD: {list_some(environment.headless)}",
            why="Left by an interrupted installation; what belongs to them cannot be told.",
            fix=REPAIR,
        )


@check("ENV004", CheckFamily.ENVIRONMENT)
def sealed(verification: VerificationFacts) -> Findings:
    """The environment's files are those that were sealed.

    The build hashed every file into a manifest, and the manifest into one digest: the seal. By
    default this check asks the file system whether anything was touched since. If so, it compares
    sizes and modes, hashes what was touched, and looks for files that the seal does not know.
    --deep hashes everything. The Python beneath is looked at, too: it is no part of the seal, but
    what it was when the environment was sealed is listed.
    """
    if verification.faults:
        number = len(verification.faults)
        files = f"{number} files differ" if number > 1 else "1 file differs"
        owners = sorted(verification.owners, key=lambda owner: -verification.owners[owner])
        of = f", of {list_some(owners)}" if owners else ""
        yield error(
            f"{files} from the seal{of}; first {verification.faults[0]}",
            why="Something changed the environment after it was built and tested.",
            fix=REPAIR,
        )
    elif verification.strays:
        yield warning(
            f"files that are not in the seal: {list_some(verification.strays)}",
            why="What was sealed is whole, but something wrote into the environment.",
            fix=REPAIR,
        )
    elif not verification.beneath:
        yield ok(f"{verification.files} files as sealed ({verification.depth})")
    if verification.beneath:
        yield _beneath(verification)
    if verification.former:
        yield info(
            "sealed in the format of an earlier version",
            why="It is compared by that format; today's also covers modes and the Python.",
            fix=RESEAL,
        )


def _beneath(verification: VerificationFacts) -> Finding:
    """Return the finding about an environment whose Python was changed."""
    many = len(verification.beneath)
    differ = f"{many} files differ" if many > 1 else "1 file differs"
    what = (
        f"the Python beneath is not as it was when the environment was sealed: {differ},"
        f" first {verification.beneath[0]}"
    )
    if verification.brought:
        why = "Something changed the Python that was brought for this environment."
        return error(what, why=why, fix=REPAIR)
    return warning(
        what,
        why="It was upgraded or altered, so it is not the Python that was tested.",
        fix=UPGRADED,
    )


@check("ENV005", CheckFamily.ENVIRONMENT)
def imports(smoke: Smoke) -> Findings:
    """The direct pins can be imported by an isolated interpreter (--deep).

    The innermost message is the cause, not what diffusers and transformers print around it.
    """
    for name, reason in smoke.failures.items():
        yield error(
            f"import {name} fails: {reason}",
            why="The conversion would stop here, after its preparations.",
            fix=REPAIR,
        )


@check("ENV006", CheckFamily.ENVIRONMENT)
def no_hooks(environment: EnvironmentFacts) -> Findings:
    """No stray file runs code whenever Python starts.

    Python executes sitecustomize.py and .pth files before anything else; no locked package brings
    the ones found.
    """
    if environment.strays:
        yield warning(
            f"files that run at every start: {list_some(environment.strays)}",
            why="They can change any import and belong to no locked package.",
            fix=REPAIR,
        )


@check("ENV007", CheckFamily.ENVIRONMENT)
def proven(environment: EnvironmentFacts, evidence: EvidenceFacts) -> Findings:
    """The environment is byte for byte one that was proven.

    Each proof in the toolchain's evidence.toml names the seal of the environment in which the tests
    passed and the sample was converted. Machines with the same lock, kind of system and Python give
    the same seal, so it tells whether this is the environment that was tested, or merely one built
    from the same list.
    """
    mine = (environment.lock_digest, environment.python)
    by = " of conda" if environment.backend == "conda" else ""
    alike = [one for one in evidence.proofs if (one.lock_digest, one.python) == mine]
    exact = [one for one in alike if one.seal == environment.seal]
    if exact:
        proof = exact[-1]
        yield ok(f"proven on {proof.when[:10]}: {proof.figures} ({proof.system}, {proof.cpu})")
    elif alike and not by:  # a conda prefix contains other files than a venv
        yield warning(
            f"sealed {environment.seal[:16]}, but what was proven is {alike[-1].seal[:16]}",
            why="Same lock and same Python must give the same bytes: a package was altered on its"
            " way here, or this version of sdcoreml writes environments otherwise.",
            fix=ANEW,
        )
    else:
        yield info(
            f"nothing was proven of this lock with Python {environment.python}{by}",
            why="A lock is no proof: no test run in such an environment was recorded.",
            fix=PROVE,
        )


@check("ENV008", CheckFamily.ENVIRONMENT)
def conda_of_that_name(
    conda: CondaEnvironment, toolchain: ToolchainFacts, lock: LockFacts
) -> Findings:
    """A conda environment that carries the toolchain's name matches the lock.

    Many guides let you make one of this very name with conda, mamba or micromamba. This check reads
    its conda-meta and .dist-info folders and runs no conda. sdcoreml never works in it:
    `sdcoreml env` builds its own environment, and `sdcoreml env --backend conda` one of this name,
    which is sealed.
    """
    faults = []
    if conda.python != toolchain.python:
        faults += [f"Python {conda.python or 'missing'} (tested {toolchain.python})"]
    faults += [
        f"{name} {conda.installed.get(name, 'missing')} (locked {version})"
        for name, version in lock.packages.items()
        if conda.installed.get(name) != version
    ]
    builds = tuple(
        f"{name} {conda.builds.get(name, 'missing')}"
        for name, build in lock.conda.items()
        if conda.builds.get(name) != build
    )
    if faults:
        yield warning(
            f"the conda environment {conda.name} is not as locked: {list_some(tuple(faults))}",
            why="Commands typed in it use other versions than the tested ones.",
            fix=BY_CONDA,
        )
    elif builds:
        yield info(
            f"the conda environment {conda.name} has builds not in the lock: {list_some(builds)}",
            why="Every version is right, but Python and its libraries are not the locked files.",
            fix=BY_CONDA,
        )
    else:
        yield ok(f"the conda environment {conda.name} is as locked")
