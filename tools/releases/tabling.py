"""Writes the releases that have a name, as `doctor/knowledge/releases` keeps them: a text.

Its first line has the releases, each with the Python that it needs where that changes. Of each
module there is a line `#module releases`, and under it one for all names that the same releases
have: `releases name name…`. Releases are ranges of their numbers in the first line, the last of a
range not counted, `3-20,22-` for instance; those of the module itself are not repeated. A name
that begins with a dot or a bracket goes on from the one before it (`Class.method .other (parameter`
for `Class.method`, `Class.other` and `Class.other(parameter`).
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from tools.releases.wheels import Release


def write_table(releases: Sequence[Release], plain: re.Pattern[str], inner: re.Pattern[str]) -> str:
    """Write which of these releases, the oldest first, have which names.

    Args:
        releases: what was read of each.
        plain: the modules whose classes' and functions' parts are left out.
        inner: the modules whose names are left out.
    """
    lines = [" ".join(_heading(releases))]
    for module in sorted({module for one in releases for module in one.modules}):
        section = _section(module, releases, is_kept=not plain.match(module))
        lines += itertools.islice(section, 1) if inner.match(module) else section
    return "\n".join(lines) + "\n"


def _heading(releases: Sequence[Release]) -> Iterable[str]:
    python = ""
    for one in releases:
        yield one.version + (one.python if one.python != python else "")
        python = one.python


def _section(module: str, releases: Sequence[Release], *, is_kept: bool) -> Iterable[str]:
    own = [number for number, one in enumerate(releases) if module in one.modules]
    having = defaultdict[str, list[int]](list)
    for number in own:
        for name in releases[number].modules[module]:
            having[name].append(number)
    names = defaultdict[str, list[str]](list)
    # What a file defines has parts, what it only imports has none; a folder passes on all it has.
    parts = {_HEAD.split(name)[0] for name in having if _HEAD.search(name)}
    is_deep = module.count(".") >= _DEEP and "=dir" not in having
    defined = parts | {"=py"} if is_deep else frozenset(having)
    for name, numbers in having.items():
        is_stable = numbers == own
        if not is_kept and _is_noise(name, is_stable=is_stable, defined=defined):
            continue
        if _is_told(name, is_stable=is_stable, is_kept=is_kept):
            names["" if is_stable else _ranges(numbers, len(releases))].append(name)
    yield f"#{module} {_ranges(own, len(releases))}".rstrip()
    for ranges in sorted(names):
        yield f"{ranges} {' '.join(_shorten(sorted(names[ranges])))}"


def _is_noise(name: str, *, is_stable: bool, defined: Collection[str]) -> bool:
    """Return whether nobody would ask a plain module for a name.

    `defined` are the names that it has for others.
    """
    return is_stable or bool(_NOISE.fullmatch(name)) or name not in defined


_DEEP = 3
"""A module so many dots deep is imported from for what it defines, not for what it imports."""

_HEAD = re.compile(r"[.(<]")
_NOISE = re.compile(
    r"_file|__all__|logger|logging|\w*_import_structure|is_\w+_available|Optional\w+NotAvailable"
    r"|\w+_DOCSTRING|_\w+_FOR_DOC|_EXPECTED_\w+"
)
"""What files have for themselves."""


def _is_told(name: str, *, is_stable: bool, is_kept: bool) -> bool:
    """Return whether a name is worth its place: one that others may ask for."""
    head, _, tail = name.replace("<", ".").partition(".")
    if name.startswith("=") or "<" in name:
        return not is_stable if name.startswith("=") else is_kept
    if "." not in name and "(" not in name:
        return not (is_stable and name.startswith("_"))
    attribute = tail.partition("(")[0]
    is_public = not head.startswith("_") and (
        not attribute.startswith("_") or attribute in {"__init__", "__call__"}
    )
    return is_kept and is_public


def _ranges(numbers: Collection[int], count: int) -> str:
    """Write numbers as ranges; "" for all of them, as `-` would say too."""
    groups = itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0])
    found = [(pairs[0][1], pairs[-1][1] + 1) for pairs in (list(group) for _, group in groups)]
    return ",".join(f"{first or ''}-{end if end < count else ''}" for first, end in found)


_PARTS = re.compile(r"(?P<head>[^.(<]+)(?P<attribute>\.[^(]+)?(?P<parameter>\(.+)?")


def _shorten(names: Sequence[str]) -> Iterable[str]:
    """Leave out what the name before says already."""
    head = attribute = ""
    for name in names:
        found = _PARTS.fullmatch(name)
        if found is None:
            yield name
            continue
        of_class, of_method = found["head"], found["attribute"] or ""
        parameter = found["parameter"] or ""
        if of_class != head or not (of_method or parameter):
            yield name
        elif of_method != attribute or not parameter:
            yield of_method + parameter
        else:
            yield parameter
        head, attribute = of_class, of_method
