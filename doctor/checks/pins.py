"""Pins: what is installed against what was tested and locked."""

from __future__ import annotations

from collections.abc import Mapping

from sdcoreml.doctor.core.check import (
    Family,
    Finding,
    Findings,
    Fix,
    Status,
    check,
    error,
    ok,
    warning,
)
from sdcoreml.doctor.core.facts import EnvironmentFacts, LockFacts, System, ToolchainFacts
from sdcoreml.doctor.knowledge import CLASHES, Role, of_topic
from sdcoreml.doctor.knowledge.diagnosis import clashes
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.versions import key

REPAIR = Fix(
    "restore the environment to what was sealed and tested",
    commands=(("make", "env", "ARGS=repair"),),
    safe=True,
)
_SHOWN = 6


@check("PIN001", Family.PINS)
def direct_pins(environment: EnvironmentFacts, toolchain: ToolchainFacts) -> Findings:
    """Every direct pin is installed in its tested version.

    These are the packages whose versions decide whether a conversion works; they were tested
    together. One of them moved, usually by a later `pip install -U` of something else, is the most
    frequent cause of failure in this field.
    """
    wrong = differing(environment, toolchain.pins)
    if wrong:
        yield error(
            f"not the tested versions: {listed([*wrong.values()])}",
            why="Only the tested combination is known to convert; others fail late or silently.",
            fix=REPAIR,
            evidence=wrong,
        )
    else:
        yield ok(f"{len(toolchain.pins)} direct pins")


@check("PIN002", Family.PINS)
def whole_lock(environment: EnvironmentFacts, lock: LockFacts) -> Findings:
    """Every package of the lock is installed in its locked version.

    The lock names everything, down to the smallest indirect package, with its hashes.
    """
    wrong = differing(environment, lock.packages)
    if wrong:
        yield error(
            f"{len(wrong)} of {len(lock.packages)} locked packages differ: "
            f"{listed([*wrong.values()])}",
            why="The environment is not the one that was resolved and tested.",
            fix=REPAIR,
            evidence=wrong,
        )
    else:
        yield ok(f"{len(lock.packages)} locked packages as tested")


@check("PIN003", Family.PINS)
def nothing_else(environment: EnvironmentFacts, lock: LockFacts) -> Findings:
    """Nothing is installed beside the lock.

    An extra package can pull in or shadow others, and no test has seen it. pip, setuptools and
    wheel are what a virtual environment may bring itself.
    """
    extra = sorted(set(environment.installed) - set(lock.packages) - {"pip", "setuptools", "wheel"})
    if extra:
        yield warning(
            f"installed, but not in the lock: {listed(extra)}",
            why="No test has seen them beside the pins; each can shadow a part of another.",
            fix=REPAIR,
        )


@check("PIN004", Family.PINS)
def one_of_each(environment: EnvironmentFacts) -> Findings:
    """No package is recorded twice.

    Two records of one project are what a broken upgrade leaves behind: which of the two versions
    the files belong to cannot be told any more.
    """
    if environment.duplicates:
        yield error(
            f"recorded twice: {listed(environment.duplicates)}",
            why="The remains of an interrupted upgrade: files of two versions are mixed.",
            fix=REPAIR,
        )


def differing(environment: EnvironmentFacts, wanted: Mapping[str, str]) -> Mapping[str, str]:
    """What is installed against what is wanted, in words, for each package that differs."""
    have = {name: environment.installed.get(normalise(name), "missing") for name in wanted}
    return {
        name: f"{name} {have[name]} (tested {version})"
        for name, version in wanted.items()
        if have[name] != version
    }


def listed(names: tuple[str, ...] | list[str]) -> str:
    """The first few, and how many more."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


@check("PIN005", Family.PINS)
def no_known_clash(system: System, environment: EnvironmentFacts) -> Findings:
    """No two installed versions are known not to go together.

    The pairs are those of the known failures (sdcoreml explain lists them by name): each broke
    somebody's conversion, and each is told by its version numbers alone.
    """
    versions = {**environment.installed, "python": environment.python}
    if system.name == "macOS":
        versions["macos"] = system.version
    for entry in clashes(of_topic(CLASHES), versions):
        pair = " with ".join(f"{name} {versions[normalise(name)]}" for name in entry.when)
        finding = Finding(
            status=Status.INFO if entry.role is Role.HARMLESS else Status.ERROR,
            what=f"{pair}: {entry.id}",
            why=entry.cause,
            fix=REPAIR,
        )
        yield finding


@check("PIN006", Family.PINS)
def within_ceilings(environment: EnvironmentFacts) -> Findings:
    """The installed torch is not newer than coremltools was tested with.

    coremltools states its own ceilings in its source. A newer torch produces operations that it
    cannot translate.
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
    """Major and minor: patch releases of torch do not change its operations."""
    return key(version)[0][:2]
