"""Checks of compiled libraries, without which a conversion fails at its last step."""

from __future__ import annotations

from sdcoreml.doctor.checks.pins import REPAIR, list_some
from sdcoreml.doctor.core.check import CheckFamily, Findings, check, error, ok
from sdcoreml.doctor.core.facts import EnvironmentFacts


@check("LIB001", CheckFamily.NATIVE)
def compiled_parts(environment: EnvironmentFacts) -> Findings:
    """The compiled libraries of coremltools and torch are there.

    Built from source, coremltools installs without complaint as pure Python, converts for minutes,
    and then dies with "BlobWriter not loaded" because libmilstoragepython is missing. This check
    looks for the files by name and loads nothing.
    """
    missing = [name for name, there in environment.native.items() if not there]
    if missing:
        yield error(
            f"compiled parts are missing: {list_some(missing)}",
            why='A conversion would run to its end and then fail with "BlobWriter not loaded".',
            fix=REPAIR,
        )
    else:
        owners = sorted({name.split("/")[0] for name in environment.native})
        yield ok(f"compiled parts of {' and '.join(owners)} are there")


@check("LIB002", CheckFamily.NATIVE)
def binary_wheels(environment: EnvironmentFacts) -> Findings:
    """Packages with native code were installed from wheels for this Python.

    The tag py3-none-any in a WHEEL file means that the package was built here from source, without
    its native code. The tag of another Python means that the files were copied from elsewhere.
    """
    digits = "".join(environment.python.split(".")[:2])
    for name, tags in environment.wheels.items():
        fits = not digits or any(
            tag.startswith((f"cp{digits}-", f"py{digits[:1]}-none-")) or "-abi3-" in tag
            for tag in tags
        )
        if name == "coremltools" and any(tag.endswith("-none-any") for tag in tags):
            yield error(
                f"{name} was built from source, without native code ({', '.join(tags)})",
                why="There was no wheel for this Python and system; saving a model will fail.",
                fix=REPAIR,
            )
        elif tags and not fits:
            yield error(
                f"{name} is a wheel for another Python ({', '.join(tags)})",
                why="Its compiled modules cannot be loaded by the environment's interpreter.",
                fix=REPAIR,
            )


@check("LIB003", CheckFamily.NATIVE)
def from_the_index(environment: EnvironmentFacts) -> Findings:
    """Nothing was installed from a folder, an address or a revision.

    Such a package matches no locked hash, and coremltools from its repository has no native code.
    """
    if environment.origins:
        listing = [f"{name} ({origin})" for name, origin in environment.origins.items()]
        yield error(
            f"not installed from the index: {list_some(listing)}",
            why="What was installed cannot be compared with any hash of the lock.",
            fix=REPAIR,
        )
