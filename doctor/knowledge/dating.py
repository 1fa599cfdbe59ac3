"""Dates what a package was asked for and does not have: is the package too old for it, or too new.

The releases that have a name are known from the packages themselves (see `releases`). Those that a
log can be of are fewer: they have the files and functions of its frames, run with its Python, and
lack what was asked for. If all of them are older than the first that has the name, the package is
too old; if all are newer than the last, too new.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from sdcoreml.doctor.knowledge.releases import ANY, Releases
from sdcoreml.doctor.knowledge.spelling import find_near
from sdcoreml.lockfiles.versions import satisfies


class Side(Enum):
    """On which side of the releases that have a name the installed one is."""

    OLD = "too old"
    NEW = "too new"
    UNSURE = "most likely too new"
    NEVER = "no release has the name"
    ALWAYS = "all releases have the name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for: a name of a module, an attribute of a class, a parameter of a function.

    `owner` is the class or the function (`function`, `Class.method`); the module may be unknown
    then. Of a module that is not there `name` is its last part, and `module` what it would be in.
    `is_attribute` is whether a module was asked that had been imported before.
    """

    name: str
    module: str = ""
    owner: str = ""
    is_parameter: bool = False
    is_attribute: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dating:
    """Which releases have what was asked for.

    `since` is the first, `last` the last, and `until` the first without it; "" if the oldest
    release has it, or the newest. `bound` is the first that may lack it: tables skip releases.
    `now` is the module that has it in `until`, `near` a name that is spelled alike, `lacking` the
    releases that the log can be of. `is_sure` is whether the release next to those that have it is
    known to lack it, and the log can be of one that does.
    """

    side: Side
    since: str = ""
    last: str = ""
    until: str = ""
    bound: str = ""
    now: str = ""
    near: str = ""
    lacking: int = 0
    is_sure: bool = True

    @property
    def need(self) -> str:
        """The releases that have it, as pip's requirement; "" if none has."""
        bounds = (f">={self.since}" if self.since else "", f"<{self.bound}" if self.bound else "")
        return ",".join(filter(None, bounds))


def find_dating(releases: Releases, asked: Asked, allowed: int) -> Dating | None:
    """Date what was asked for; None if nobody knows where it would be, or which release lacks it.

    Args:
        releases: those of the package that was asked.
        asked: what it was asked for.
        allowed: the releases that the log can be of, as far as its frames tell.
    """
    scope, having = _find(releases, asked)
    if not scope:
        return None
    unknown = _find_unknown(releases, asked, scope) & ~having
    if asked.owner and not asked.is_parameter and unknown & (allowed if having else scope):
        return None
    if not having:
        return _find_another(releases, asked)
    gaps = having << 1 & having >> 1 & ~having
    possible = scope & ~having & allowed
    if not possible or possible & ~gaps:  # else the log can be of no other release that lacks it
        unknown |= gaps  # one release misread, not one without it
    having |= _spread(having, unknown, 1) & _spread(having, unknown, -1)
    lacking = (scope & ~having or releases.all & ~having) & ~unknown
    if not lacking:
        return None if unknown & ~having else Dating(side=Side.ALWAYS, since=releases.versions[0])
    is_sure = bool(lacking & allowed)
    lacking = lacking & allowed or lacking
    first = releases.before(having)
    if lacking & first and not releases.after(having):
        is_sure = is_sure and not lacking & ~first
        lacking &= first  # what the newest has again is seldom missed for its gap
    run = _find_run(having, lacking)
    older, newer = releases.before(run), releases.after(run)
    # Most who lack what older releases have took the newest.
    newest = Side.UNSURE if lacking & older else Side.NEW
    side = newest if lacking & ~older else Side.OLD
    edge = run >> 1 if side is Side.OLD else run << 1
    last, until = releases.last(run), releases.first(newer) if newer else ""
    return Dating(
        side=side,
        since=releases.first(run) if older else "",
        last=last,
        until=until,
        bound=_find_bound(last, until),
        now=_find_now(releases, asked, newer) if newer and side is not Side.OLD else "",
        lacking=lacking,
        is_sure=is_sure and not unknown & edge & ~run,
    )


def put_aside(project: str, dating: Dating) -> Dating:
    """Return a dating without releases so old that nobody has them, unless a log names one."""
    is_sided = dating.side in {Side.OLD, Side.UNSURE}
    if not is_sided or not satisfies(dating.since, _ANCIENT.get(project, "<0")):
        return dating
    is_old = dating.side is Side.OLD
    return replace(dating, side=Side.ALWAYS) if is_old else replace(dating, side=Side.NEW, since="")


_ANCIENT = {"transformers": "<4", "huggingface-hub": "<0.1", "torch": "<1.6", "numpy": "<1.19"}
"""What is older than these, no program of this field ever ran with."""


def _find_bound(last: str, until: str) -> str:
    """Return the first release that may lack what the `last` has, `until` being the next known.

    A minor's first release is the first to lack it; before another there may be some that no table
    has, since they have no wheel.
    """
    major, minor, patch = (*map(int, re.findall(r"\d+", last)), 0, 0)[:3]
    is_first = re.fullmatch(r"(?P<major>\d+)\.(?P<minor>\d+)(?:\.0)?", until)
    is_next = is_first and (int(is_first["major"]) != major or int(is_first["minor"]) <= minor + 1)
    if not until or is_next:
        return until
    is_same = until.startswith(f"{major}.{minor}.")
    return f"{major}.{minor}.{patch + 1}" if is_same else f"{major}.{minor + 1}"


def _spread(some: int, through: int, step: int) -> int:
    """Return some releases, with the newer (or older) ones that follow on them in a row."""
    while True:
        following = (some << step if step > 0 else some >> -step) & through & ~some
        if not following:
            return some
        some |= following


def _find_unknown(releases: Releases, asked: Asked, scope: int) -> int:
    """Return the releases of which the table does not know whether they lack what is asked for."""
    if asked.is_parameter:
        # Who takes whatever it is given does not raise, and need not know what to do with it.
        # Of two classes of a name, one may lack it.
        having, lacking = releases.parameter(asked.owner, asked.name)
        return releases.parameter(asked.owner, ANY)[0] | having & lacking
    if asked.owner:
        return scope & ~releases.knowing(asked.owner)
    return 0


def _find_run(having: int, lacking: int) -> int:
    """Return the releases in a row that have a name, before the newest that lacks it if there are.

    A name may come and go and come again.
    """
    below = having & ((1 << lacking.bit_length()) - 1)
    if not below:
        return having & ~(having + (having & -having))
    top = (1 << below.bit_length()) - 1
    return top & ~((1 << (top & ~below).bit_length()) - 1)


def _find(releases: Releases, asked: Asked) -> tuple[int, int]:
    """Return the releases that could be asked, and those that have what is asked for."""
    kind, _, method = asked.owner.rpartition(".")
    if asked.is_parameter and kind == ANY_CLASS:
        return releases.all, releases.of_methods(method, asked.name)
    if asked.is_parameter:
        having, lacking = releases.parameter(asked.owner, asked.name)
        return having | lacking, having & ~lacking or having
    if asked.owner:
        scope = 0
        for some in releases.modules_with(asked.owner).values():
            scope |= some
        return scope, releases.attribute(asked.owner, asked.name)
    having = releases.names(asked.module).get(asked.name, 0)
    return releases.of_module(asked.module), (
        having | releases.of_module(f"{asked.module}.{asked.name}")
    )


ANY_CLASS = "?"
"""The class of a method that a line names without it."""


def _find_another(releases: Releases, asked: Asked) -> Dating:
    """Say where else a name is that a module never had, or what is spelled alike."""
    elsewhere = {
        module: some
        for module, some in releases.modules_with(asked.name if asked.module else "").items()
        if releases.defines(module, asked.name) and _is_the_same(releases, asked, module)
    }
    now = _choose(elsewhere)
    since = releases.first(elsewhere[now]) if now and releases.before(elsewhere[now]) else ""
    near = find_near(asked.name, _alike(releases, asked))
    return Dating(side=Side.NEVER, now=now, since=since, near="" if now or not near else near[0])


def _alike(releases: Releases, asked: Asked) -> Iterable[str]:
    """Return what could have been asked for instead."""
    if asked.module:
        return releases.names(asked.module)
    mark = f"{asked.owner}{'(' if asked.is_parameter else '.'}"
    names = (
        name
        for module in releases.holders(asked.owner.partition(".")[0])
        for name in releases.names(module)
    )
    return {one.removeprefix(mark) for one in names if one.startswith(mark)}


def _find_now(releases: Releases, asked: Asked, newer: int) -> str:
    """Return the module that has a name since the release that took it from another."""
    first = newer & -newer
    elsewhere = releases.modules_with(asked.name) if not asked.owner else {}
    return _choose(
        module
        for module, some in elsewhere.items()
        if some & first
        and module != asked.module
        and releases.defines(module, asked.name)
        and _is_the_same(releases, asked, module)
    )


def _is_the_same(releases: Releases, asked: Asked, module: str) -> bool:
    """Return whether what a module has is what was asked for: files of a name are many.

    A module is the same if the folder that it is in is called so, too, or is in the one before.
    """
    if not any(releases.of_module(f"{one}.{asked.name}") for one in (asked.module, module)):
        return True
    is_inside = "." in asked.module and module.startswith(f"{asked.module}.")
    return is_inside or module.rpartition(".")[2] == asked.module.rpartition(".")[2]


def _choose(modules: Iterable[str]) -> str:
    """Return the module that others are meant to import from: no tests, and the shortest."""
    public = [one for one in modules if not _INNER.search(one)]
    return min(public, key=lambda one: (one.count("."), len(one), one), default="")


_INNER = re.compile(r"\._|dummy_|testing|\.tests?\b|legacy|deprecated|commands")


def find_allowed(releases: Releases, package: str, steps: Sequence[str], pythons: str) -> int:
    """Return the releases of a package that can have printed a traceback.

    Args:
        releases: those of the package.
        package: the name that it is imported by.
        steps: the paths of the frames, each with the function behind a blank if it is known.
        pythons: the version of Python that ran; "" if it is unknown.
    """
    masks = [releases.running(pythons)] if pythons else []
    for step in steps:
        path, _, function = step.partition(".py")
        parts = re.split(r"[/\\]", path)
        if package not in parts:
            continue
        inner = parts[len(parts) - 1 - parts[::-1].index(package) :]
        is_folder = inner[-1] == "__init__"
        module = ".".join(inner[:-1] if is_folder else inner)
        names = releases.names(module)
        kind = names.get("=dir" if is_folder else "=py", 0)
        other = names.get("=py" if is_folder else "=dir", 0)
        masks.append(kind or (releases.of_module(module) & ~other))
        masks.append(_running(names, function.strip()))
    allowed = releases.all
    for mask in masks:
        allowed = allowed & mask or allowed
    return allowed


def _running(names: Mapping[str, int], function: str) -> int:
    if not function.isidentifier():
        return 0
    found = names.get(function, 0)
    for name, some in names.items():
        if name.endswith(f".{function}"):
            found |= some
    return found


def find_quiet(releases: Releases, module: str, name: str, side: Side) -> str:
    """Say which releases of the package that asks do not ask for a name; "" if all do."""
    asking = releases.names(module).get(name, 0)
    if not asking:
        return ""
    newer, older = releases.after(asking), releases.before(asking)
    if side is Side.OLD:
        return f"before {releases.first(asking)}" if older else ""
    return f"{releases.first(newer)} or newer" if newer else ""
