"""Compares installed packages with the tested and locked ones."""

from __future__ import annotations

from collections.abc import Mapping

from sdcoreml.doctor.core.check import (
    CheckFamily,
    Finding,
    Findings,
    Fix,
    Status,
    check,
    error,
    ok,
    warning,
)
from sdcoreml.doctor.core.facts import (
    EnvironmentFacts,
    EvidenceFacts,
    LockFacts,
    System,
    ToolchainFacts,
)
from sdcoreml.doctor.knowledge import Role, of_topic
from sdcoreml.doctor.knowledge.clashes import find_clashes
from sdcoreml.doctor.knowledge.topics import CLASHES
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.versions import key

REPAIR = Fix(
    "restore the environment to what was sealed and tested",
    commands=(("sdcoreml", "env", "repair"),),
    safe=True,
)
PROVE = Fix(
    "try it, and record what works with these versions (minutes)",
    commands=(("sdcoreml", "env", "prove"),),
)
_SHOWN = 6


@check("PIN001", CheckFamily.PINS)
def direct_pins(environment: EnvironmentFacts, toolchain: ToolchainFacts) -> Findings:
    """Every direct pin has its tested version.

    The versions of these packages decide whether a conversion works; they were tested together. The
    most frequent cause of failed conversions is that one of them changed, usually through a later
    `pip install -U` of something else.
    """
    wrong = find_differences(environment, toolchain.pins)
    if wrong:
        yield error(
            f"not the tested versions: {list_some([*wrong.values()])}",
            why="Only the tested combination is known to convert; others fail late or silently.",
            fix=REPAIR,
            evidence=wrong,
        )
    else:
        yield ok(f"{len(toolchain.pins)} direct pins")


@check("PIN002", CheckFamily.PINS)
def whole_lock(environment: EnvironmentFacts, lock: LockFacts) -> Findings:
    """Every locked package has its locked version.

    The lock names every package, indirect ones included, with its hashes.
    """
    wrong = find_differences(environment, lock.packages)
    if wrong:
        yield error(
            f"{len(wrong)} of {len(lock.packages)} locked packages differ: "
            f"{list_some([*wrong.values()])}",
            why="The environment is not the one that was resolved and tested.",
            fix=REPAIR,
            evidence=wrong,
        )
    else:
        yield ok(f"{len(lock.packages)} locked packages as tested")


@check("PIN003", CheckFamily.PINS)
def nothing_else(environment: EnvironmentFacts, lock: LockFacts) -> Findings:
    """Nothing is installed that is not in the lock.

    An extra package can pull in or shadow others, and was never tested with the pins. pip,
    setuptools and wheel are allowed: a virtual environment may bring them.
    """
    extra = sorted(set(environment.installed) - set(lock.packages) - {"pip", "setuptools", "wheel"})
    if extra:
        yield warning(
            f"installed, but not in the lock: {list_some(extra)}",
            why="No test has seen them beside the pins; each can shadow a part of another.",
            fix=REPAIR,
        )


@check("PIN004", CheckFamily.PINS)
def one_of_each(environment: EnvironmentFacts) -> Findings:
    """No package is recorded twice.

    A broken upgrade leaves two .dist-info folders of one project behind. Nobody can tell which of
    the two versions the files belong to.
    """
    if environment.duplicates:
        yield error(
            f"recorded twice: {list_some(environment.duplicates)}",
            why="The remains of an interrupted upgrade: files of two versions are mixed.",
            fix=REPAIR,
        )


def find_differences(environment: EnvironmentFacts, wanted: Mapping[str, str]) -> Mapping[str, str]:
    """Map each package whose version is not the wanted one to a phrase that says so."""
    have = {name: environment.installed.get(normalise(name), "missing") for name in wanted}
    return {
        name: f"{name} {have[name]} (tested {version})"
        for name, version in wanted.items()
        if have[name] != version
    }


def list_some(names: tuple[str, ...] | list[str]) -> str:
    """Join the first few names, and say how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


@check("PIN005", CheckFamily.PINS)
def no_known_clash(
    system: System,
    environment: EnvironmentFacts,
    lock: LockFacts | None = None,
    evidence: EvidenceFacts | None = None,
) -> Findings:
    """No two installed versions are known to clash.

    The pairs come from the known failures, which `sdcoreml explain NAME` describes. Each broke
    somebody's conversion and is recognised by version numbers alone. A toolchain of your own may
    lock such a pair on purpose: most of them broke other converters, so that is a warning, and
    no more than a note once the environment was proved.
    """
    versions = {**environment.installed, "python": environment.python}
    if system.name == "macOS":
        versions["macos"] = system.version
    for entry in find_clashes(of_topic(CLASHES), versions):
        pair = " with ".join(f"{name} {versions[normalise(name)]}" for name in entry.when)
        is_locked = lock is not None and all(
            lock.packages.get(normalise(name)) == versions[normalise(name)] for name in entry.when
        )
        is_proved = is_locked and _is_proved(environment, evidence)
        bad = Status.WARNING if is_locked else Status.ERROR
        yield Finding(
            status=Status.INFO if entry.role is Role.HARMLESS or is_proved else bad,
            what=f"{pair}: {entry.id}"
            + (", locked so by the toolchain" if is_locked else "")
            + (", and proved" if is_proved else ""),
            why=entry.cause,
            fix=None if is_proved else PROVE if is_locked else REPAIR,
        )


def _is_proved(environment: EnvironmentFacts, evidence: EvidenceFacts | None) -> bool:
    return evidence is not None and any(proof.seal == environment.seal for proof in evidence.proofs)


@check("PIN006", CheckFamily.PINS)
def within_ceilings(environment: EnvironmentFacts) -> Findings:
    """The installed torch is no newer than coremltools was tested with.

    coremltools states these limits in its source. A newer torch produces operations that it cannot
    translate.
    """
    for name, newest in environment.ceilings.items():
        have = environment.installed.get(name, "")
        if have and _release(have) > _release(newest):
            yield warning(
                f"{name} {have} is newer than {newest}, the last that coremltools was tested with",
                why="Conversion then fails with an operation that is not implemented.",
                fix=REPAIR,
            )


def _release(version: str) -> tuple[int, ...]:
    """Return the major and minor version: patch releases of torch do not change its operations."""
    return key(version)[0][:2]
