"""Says in one sentence why uv found no resolution, and what to do; reads what uv prints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sdcoreml.envs.processes.process import ProcessResult
from sdcoreml.envs.processes.reasons import explain
from sdcoreml.ground.errors import InstallError, SdcoremlError

_NAME = r"(?P<name>[\w.-]+)"
_EXACT = rf"{_NAME}==(?P<version>[\w.!+-]*[\w!+])"
_NO_SOLUTION = "No solution found"
_NO_WHEEL = re.compile(
    rf"{_NAME}(?P<range>[<>=!][\w.!+<>=,-]*[\w!+]) has no (?:usable )?wheels"
    r"(?: with a matching (?P<tag>platform|Python \w+) tag)?"
)
_ABSENT = re.compile(
    rf"{_NAME} was not found in the (?:package registry|provided package locations)"
)
_NEWER = re.compile(
    r"`(?P<name>[\w.-]+)` was filtered by `exclude-newer` .*?"
    r"v(?P<version>[\w.!+-]+), was published at (?P<day>\d{4}-\d\d-\d\d)"
)
_ALL_NEWER = re.compile(rf"{_NAME}[<>=][\w.!+<>=,-]* was published after the exclude newer time")
_NO_VERSION = re.compile(rf"there is no version of {_EXACT}")
_PYTHON = re.compile(rf"{_EXACT} depends on Python(?P<range>[<>=!][\w.,<>=!*]*\w)")
_NEEDS = re.compile(
    rf"(?:all versions of )?{_NAME}(?P<of>[<>=][\w.!+<>=,-]*[\w!+])? depends? on "
    r"(?P<what>[A-Za-z][\w.-]*)(?:\[[\w,-]*\])?(?:\{[^}]*\})?"
    r"(?P<range>[<>=!~][\w.!+<>=,*-]*[\w*])?"
)
_YANKED = re.compile(rf"`{_EXACT}` is yanked(?: \(reason: \"(?P<why>.*?)\"\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One package's requirement: `who` in the versions `of`, and the project and range it needs."""

    who: str
    of: str
    what: str
    range: str

    def __str__(self) -> str:
        of = self.of.replace("==", " ", 1) if self.of.startswith("==") else self.of
        return f"{self.who}{of} needs {self.what}{self.range}"


def explain_conflict(
    finished: ProcessResult, pins: Mapping[str, str], target: str, python: str
) -> SdcoremlError:
    """Return the error that a failed resolution of these pins for a target stands for."""
    words = " ".join(finished.err.split())
    if _NO_SOLUTION not in words:
        return explain(finished)
    if found := _NEWER.search(words):
        name, version = found["name"], found["version"]
        return InstallError(
            f"{name} {version} is of {found['day']}, newer than the toolchain allows",
            where=target,
            remedy=f"set an older one, or give the reason for this one: --except {name}=REASON",
        )
    if found := _ALL_NEWER.search(words):
        name = found["name"]
        return InstallError(
            f"{name} {pins.get(name, '')}".rstrip() + " is newer than the toolchain allows",
            where=target,
            remedy=f"set an older one, or give the reason for this one: --except {name}=REASON",
        )
    if found := _ABSENT.search(words):
        return InstallError(
            f"the package index has no {found['name']}",
            where=target,
            remedy="correct the name, or name the index that has it with --index URL",
        )
    if found := _NO_VERSION.search(words):
        return InstallError(
            f"there is no {found['name']} {found['version']}",
            where=target,
            remedy=f"set a version that there is: --set {found['name']}==VERSION",
        )
    return _without_wheel(words, target, python) or _of_needs(words, pins, target, python)


def why_refused(
    finished: ProcessResult, name: str, pins: Mapping[str, str], target: str, python: str
) -> str:
    """Return why a resolution with one version of `name` failed; "" if it did not fail.

    Raises:
        SdcoremlError: nothing was resolved: the index cannot be reached, or the disk is full.
    """
    if finished.code == 0:
        return ""
    if _NO_SOLUTION not in " ".join(finished.err.split()):
        raise explain(finished)
    needs = dict.fromkeys(map(str, find_needs(finished.err, name)))
    return ", ".join(needs) or explain_conflict(finished, pins, target, python).what


def _without_wheel(words: str, target: str, python: str) -> SdcoremlError | None:
    found = _NO_WHEEL.search(words)
    if found is None:
        return None
    name, version = found["name"], found["range"].removeprefix("==")
    of = "" if found["tag"] == "platform" else f" and Python {python}"
    return InstallError(
        f"{name} {version} has no wheel for {target}{of}",
        remedy=f"set another version: --set {name}==VERSION, or name only the targets that have one"
        " with --target",
    )


def _of_needs(words: str, pins: Mapping[str, str], target: str, python: str) -> SdcoremlError:
    if found := _PYTHON.search(words):
        return InstallError(
            f"{found['name']} {found['version']} needs Python {found['range']}, and this is"
            f" {python}",
            where=target,
            remedy=f"give another --python, or another version: --set {found['name']}==VERSION",
        )
    needs = tuple(find_needs(words))
    pinned = [need.what for need in needs if need.what in pins]
    if not needs:
        text = words.partition(_NO_SOLUTION)[2].partition("cause: ")[2].partition(" hint: ")[0]
        return InstallError(
            f"the pins fit no resolution: {text[:300]}", where=target, remedy="set other versions"
        )
    also = [f"{name} {pins[name]} is pinned" for name in dict.fromkeys(pinned)]
    said = ", and ".join((", ".join(dict.fromkeys(map(str, needs))), *also))
    movable = pinned or [need.who for need in needs if need.who in pins]
    drop = f", or drop a pin: --drop {movable[0]}" if movable else ""
    return InstallError(said, where=target, remedy=f"set other versions{drop}")


def find_needs(words: str, what: str = "") -> Iterator[Need]:
    """Yield the requirements that uv's explanation names; with `what`, those on that project."""
    for found in _NEEDS.finditer(" ".join(words.split())):
        if found["what"] != "Python" and what in ("", found["what"]):
            yield Need(
                who=found["name"],
                of=found["of"] or "",
                what=found["what"],
                range=found["range"] or "",
            )


def find_yanked(words: str) -> Iterator[str]:
    """Yield a sentence for each version that its maintainers withdrew, as uv warns of it."""
    for found in _YANKED.finditer(words):
        why = f": {found['why']}" if found["why"] else ""
        yield f"{found['name']} {found['version']} was withdrawn by its maintainers{why}"
