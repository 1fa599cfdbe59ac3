"""The built environment: there, whole, and from the lock of this checkout."""

from __future__ import annotations

from sdcoreml.doctor.checks.pins import REPAIR, listed
from sdcoreml.doctor.core.check import Family, Findings, Fix, check, error, info, ok, warning
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

ANEW = Fix("build it from packages fetched anew", commands=(("make", "env", "ARGS=--no-cache"),))
PROVE = Fix(
    "run the tests and the sample in it, and record the figures (minutes)",
    commands=((".venv/bin/sdcoreml", "env", "evidence", "--prove"),),
)


def build(toolchain: ToolchainFacts, lock: LockFacts | None) -> Fix:
    """What building takes, and the command for it."""
    fetched = f"{amount(lock.download)} to download unless cached, " if lock else ""
    size = f"{fetched}{amount(toolchain.installed_bytes)} on disk"
    return Fix(f"build it ({size})", commands=(("make", "env"),), safe=True)


BY_CONDA = Fix("make env BACKEND=conda makes one that is, apart from it; or remove it")


@check("ENV001", Family.ENVIRONMENT)
def present(
    toolchain: ToolchainFacts,
    environment: EnvironmentFacts | None = None,
    lock: LockFacts | None = None,
) -> Findings:
    """The tested environment is built.

    Conversion runs inside an environment of its own, built from the lock, apart from the host's
    Python. `make convert` builds it by itself when it is missing.
    """
    if environment is None:
        yield warning(
            f"the {toolchain.name} environment is not built yet",
            why="Conversion runs inside it; make convert builds it first.",
            fix=build(toolchain, lock),
        )
    else:
        yield ok(f"{len(environment.installed)} packages, Python {environment.python}")


@check("ENV002", Family.ENVIRONMENT)
def of_this_lock(
    environment: EnvironmentFacts, lock: LockFacts, toolchain: ToolchainFacts
) -> Findings:
    """The environment was built from the lock of this checkout.

    After a `git pull` that moved the lock, the environment of before is still there and still
    whole; it is only not the tested one any more.
    """
    if environment.lock_digest and environment.lock_digest != lock.digest:
        yield error(
            "the environment was built from another lock than this checkout's",
            why="The lock has changed since; results would not be those that were tested.",
            fix=build(toolchain, lock),
        )


@check("ENV003", Family.ENVIRONMENT)
def complete(environment: EnvironmentFacts) -> Findings:
    """Every installed package has its files and its records.

    An installer killed half-way leaves records without files or files without records, and every
    one of them then reports that all is well. Seen here from the records alone; --deep hashes
    every byte.
    """
    if environment.hollow:
        yield error(
            f"recorded as installed, but their files are gone: {listed(environment.hollow)}",
            why="pip, uv and pip-sync all call this environment fine; the import will fail.",
            fix=REPAIR,
        )
    if environment.headless:
        yield error(
            f"without METADATA or RECORD: {listed(environment.headless)}",
            why="Left by an interrupted installation; what belongs to them cannot be told.",
            fix=REPAIR,
        )


@check("ENV004", Family.ENVIRONMENT)
def sealed(verification: VerificationFacts) -> Findings:
    """The environment's files are those that were sealed.

    When it was built, every file was hashed into a manifest, and the manifest into one digest, the
    seal. The default look asks the file system whether anything was touched since; if so, sizes and
    times are compared, and files found that nobody owns. --deep reads and hashes everything.
    """
    if verification.faults:
        number = len(verification.faults)
        files = f"{number} files differ" if number > 1 else "1 file differs"
        owners = sorted(verification.owners, key=lambda owner: -verification.owners[owner])
        of = f", of {listed(owners)}" if owners else ""
        yield error(
            f"{files} from the seal{of}; first {verification.faults[0]}",
            why="Something changed the environment after it was built and tested.",
            fix=REPAIR,
        )
    elif verification.strays:
        yield warning(
            f"files that nobody sealed: {listed(verification.strays)}",
            why="What was sealed is whole, but something wrote into the environment.",
            fix=REPAIR,
        )
    else:
        yield ok(f"{verification.files} files as sealed ({verification.depth})")


@check("ENV005", Family.ENVIRONMENT)
def imports(smoke: Smoke) -> Findings:
    """The direct pins can be imported by an isolated interpreter (--deep).

    The innermost message is the cause; what diffusers and transformers print around it is not.
    """
    for name, reason in smoke.failures.items():
        yield error(
            f"import {name} fails: {reason}",
            why="The conversion would stop here, after its preparations.",
            fix=REPAIR,
        )


@check("ENV006", Family.ENVIRONMENT)
def no_hooks(environment: EnvironmentFacts) -> Findings:
    """No file runs code at every start of the interpreter.

    sitecustomize.py and .pth files are executed by each Python of the environment before anything
    else; none belongs to the lock.
    """
    if environment.strays:
        yield warning(
            f"files that run at every start: {listed(environment.strays)}",
            why="They can change any import and belong to no locked package.",
            fix=REPAIR,
        )


@check("ENV007", Family.ENVIRONMENT)
def proven(environment: EnvironmentFacts, evidence: EvidenceFacts) -> Findings:
    """The environment is, byte for byte, one that was proven.

    Each proof in the toolchain's evidence.toml names the seal of the environment in which the tests
    passed and the sample was converted. The seal is equal on every machine with the same lock, kind
    of system and Python: so it tells whether this is the environment that was tested, or only one
    that was built from the same list.
    """
    mine = (environment.lock_digest, environment.python)
    by = " of conda" if environment.backend == "conda" else ""
    alike = [one for one in evidence.proofs if (one.lock_digest, one.python) == mine]
    exact = [one for one in alike if one.seal == environment.seal]
    if exact:
        proof = exact[-1]
        yield ok(f"proven on {proof.when[:10]}: {proof.figures} ({proof.system}, {proof.cpu})")
    elif alike and not by:  # a prefix of conda's holds other files than a venv
        yield warning(
            f"sealed {environment.seal[:16]}, but what was proven is {alike[-1].seal[:16]}",
            why="Same lock and same Python must give the same bytes: a package was altered on its"
            " way here, or this version of sdcoreml writes environments otherwise.",
            fix=ANEW,
        )
    else:
        yield info(
            f"nothing was proven of this lock with Python {environment.python}{by}",
            why="Locked is not tested; nobody recorded that the tests pass in this environment.",
            fix=PROVE,
        )


@check("ENV008", Family.ENVIRONMENT)
def conda_of_that_name(
    conda: CondaEnvironment, toolchain: ToolchainFacts, lock: LockFacts
) -> Findings:
    """A conda environment of the toolchain's name is what the lock says.

    Many guides have one made by hand, with conda, mamba or micromamba, under just this name. It is
    read where they keep environments, from its conda-meta and its .dist-info folders; no conda is
    run. Nothing here works in it: `make env` builds an environment of its own, and with
    BACKEND=conda one of this name, which is sealed.
    """
    faults = [] if conda.python == toolchain.python else [_python(conda, toolchain)]
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
            f"the conda environment {conda.name} is not as locked: {listed(tuple(faults))}",
            why="What is typed in it runs other versions than those that were tested.",
            fix=BY_CONDA,
        )
    elif builds:
        yield info(
            f"the conda environment {conda.name} has other builds than the lock: {listed(builds)}",
            why="Every version is right, but Python and its libraries are not the locked files.",
            fix=BY_CONDA,
        )
    else:
        yield ok(f"the conda environment {conda.name} is as locked")


def _python(conda: CondaEnvironment, toolchain: ToolchainFacts) -> str:
    return f"Python {conda.python or 'missing'} (tested {toolchain.python})"
