"""`sdcoreml env new`, `use` and `diff`: toolchains of one's own."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdcoreml.doctor.commands.env_common import (
    Action,
    index_option,
    read_option,
    shorten,
)
from sdcoreml.doctor.core.backend import default_toolchain
from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN
from sdcoreml.envs.mirrors.configuration import find_toolchain, record_toolchain
from sdcoreml.ground.advice import command
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.names import normalise
from sdcoreml.ground.places import as_path
from sdcoreml.lockfiles.own import Amendment, amend
from sdcoreml.lockfiles.target import TARGETS
from sdcoreml.lockfiles.toolchain import (
    FILE,
    OWN,
    PythonPin,
    Toolchain,
    load_shipped,
    load_toolchain,
    load_variants,
    toolchain_names,
)
from sdcoreml.lockfiles.versions import is_version, key, satisfies

if TYPE_CHECKING:
    from sdcoreml.envs.locking.changes import PackageChange
    from sdcoreml.envs.locking.create import Created


def new(args: argparse.Namespace) -> int:
    """Make a toolchain in `toolchains/NAME` of the current folder."""
    change = Amendment(
        pins=_pins(args.set),
        dropped=tuple(map(normalise, args.drop)),
        python=read_python(args.python) if args.python else None,
        targets=tuple(args.target),
        exclude_newer=_date(args.exclude_newer),
        exceptions=_reasons(args.excepted),
    )
    parent = _form(load_toolchain(args.parent), change.python)
    toolchain = amend(parent, args.name, Path.cwd() / OWN / args.name, change)
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.locking.compile import LockRequest
    from sdcoreml.envs.locking.create import create
    from sdcoreml.envs.locking.opinion import pip_tools

    request = LockRequest(
        wheels=read_option(args, "find_links"), index=read_option(args, "index", "")
    )
    with draw() as emit:
        made = create(toolchain, parent, pip_tools, request=request, emit=emit)
    print("\n".join(describe(made, parent)))
    return 0


def describe(made: Created, parent: Toolchain) -> Iterable[str]:
    """Yield what was made, what it has otherwise than its parent and why, and what comes next."""
    toolchain, opinion = made.toolchain, made.opinion
    place = shorten(toolchain.folder)
    yield f"{place}: from {parent.title}, Python {toolchain.python.version}"
    yield from table(made.changes)
    yield f"  locked for {', '.join(toolchain.targets)}"
    for target, reason in toolchain.refused.items():
        if target in TARGETS:
            yield f"  not for {target}: {reason}"
    if opinion is None:
        yield f"  no second opinion was taken: {made.silence}"
    else:
        yield f"  {opinion.by} agrees on all {opinion.packages} versions for {opinion.target}"
    yield f"  next: {command('env', 'prove', toolchain.name)} builds it, and records what works"


def table(changes: Iterable[PackageChange]) -> Iterable[str]:
    """Yield the changes as lines of a table: package, what changed, and why."""
    rows = tuple(changes)
    name = max((len(row.name) for row in rows), default=0)
    what = max((len(row.what) for row in rows), default=0)
    if not rows:
        yield "  the same versions"
    for row in rows:
        yield f"  {row.name:<{name}}  {row.what:<{what}}  {row.why}".rstrip()


def diff(args: argparse.Namespace) -> int:
    """Say what a toolchain locks otherwise than another, by default than the one it comes from."""
    from sdcoreml.envs.locking.changes import compare_versions
    from sdcoreml.envs.locking.create import locked_versions

    toolchain = load_toolchain(args.name or default_toolchain())
    other = _other(toolchain, args.other)
    here, there = locked_versions(toolchain), locked_versions(other)
    print(f"{toolchain.name}, against {other.name}:")
    if other.python.version != toolchain.python.version:
        print(f"  Python  {other.python.version} -> {toolchain.python.version}")
    for line in table(compare_versions(there, here)):
        print(line)
    for target in sorted(here.keys() ^ there.keys()):
        who, whom = (toolchain, other) if target in here else (other, toolchain)
        print(f"  {target}: only {who.name} is for it; {whom.refused.get(target, '')}".rstrip("; "))
    return 0


def use(args: argparse.Namespace) -> int:
    """Record the toolchain of the current folder in the user's own configuration, or say it."""
    here = Path.cwd()
    if args.name is None:
        print(f"{default_toolchain()}: {_who_says(here)}")
        return 0
    toolchain = load_toolchain(args.name)
    name = toolchain.name if toolchain.is_shipped else str(toolchain.folder.resolve())
    path = record_toolchain(here, name)
    print(f"{toolchain.name} is used in {here} and below; recorded in {path}")
    if said := os.environ.get("TOOLCHAIN"):
        print(f"warning: $TOOLCHAIN says {said}, and comes first")
    return 0


def _who_says(folder: Path) -> str:
    """Return, in words, why the toolchain is used that is used in a folder."""
    if os.environ.get("TOOLCHAIN"):
        return "$TOOLCHAIN says so"
    recorded = find_toolchain(folder)[1]
    return f"recorded for {recorded}" if recorded else "the default"


def _other(toolchain: Toolchain, named: str | None) -> Toolchain:
    """Return the toolchain to compare with: the named one, or the parent."""
    if named is not None:
        return load_toolchain(named)
    name = toolchain.parent or toolchain.base or DEFAULT_TOOLCHAIN
    if name in toolchain_names():
        return _form(load_shipped(name), toolchain.python)
    beside = toolchain.folder.parent / name
    if not (beside / FILE).is_file():
        raise UsageError(
            f"was made from {name}, which is not beside it",
            where=toolchain.name,
            remedy=f"name the other one: {command('env', 'diff', toolchain.name, 'OTHER')}",
        )
    return load_toolchain(f"{beside}/")


def _form(parent: Toolchain, python: PythonPin | None) -> Toolchain:
    """Return the form of the parent for this Python, if it has one."""
    if python is None:
        return parent
    forms = load_variants(parent)
    return next((one for one in forms if satisfies(python.version, one.python.accepted)), parent)


def read_python(text: str) -> PythonPin:
    """Return the Python that `3.11` or `3.11.9` stands for; of a minor, one that is here.

    Raises:
        UsageError: it is no version, or no Python of that minor is known.
    """
    from sdcoreml.envs.pythons.interpreter import find_interpreters

    parts = text.split(".")
    if len(parts) not in (2, 3) or not all(part.isdecimal() for part in parts):
        raise UsageError("give a version, such as 3.11", where=f"--python {text}")
    minor = ".".join(parts[:2])
    accepted = f">={minor}.0,<{parts[0]}.{int(parts[1]) + 1}"
    if len(parts) == 3:  # noqa: PLR2004  major, minor, patch
        return PythonPin(version=text, accepted=accepted)
    found = find_interpreters(PythonPin(version=f"{minor}.0", accepted=accepted))
    here = [one.version for one in found if satisfies(one.version, accepted)]
    known = [one.python.version for one in load_variants(load_toolchain("light"))]
    versions = here or [version for version in known if satisfies(version, accepted)]
    if not versions:
        raise UsageError(
            f"no Python {minor} is on this machine",
            where=f"--python {text}",
            remedy=f"say which one is meant, such as --python {minor}.1",
        )
    return PythonPin(version=max(versions, key=key), accepted=accepted)


def _pins(texts: Iterable[str]) -> Mapping[str, str]:
    pins: dict[str, str] = {}
    for text in texts:
        name, equal, version = text.partition("==")
        if not (equal and _is_project(name) and is_version(version)):
            raise UsageError(
                "give a package and its exact version, such as --set diffusers==0.30.3",
                where=f"--set {text}",
            )
        pins[normalise(name.strip())] = version.strip()
    return pins


def _reasons(texts: Iterable[str]) -> Mapping[str, str]:
    reasons: dict[str, str] = {}
    for text in texts:
        name, _, reason = text.partition("=")
        if not (_is_project(name) and reason.strip()):
            raise UsageError(
                "name a package and say why, as in --except NAME='the fix of ...'",
                where=f"--except {text}",
            )
        reasons[normalise(name.strip())] = reason.strip()
    return reasons


def _is_project(name: str) -> bool:
    from packaging.utils import InvalidName, canonicalize_name

    try:
        canonicalize_name(name.strip(), validate=True)
    except InvalidName:
        return False
    return True


def _date(text: str) -> str:
    from datetime import date

    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise UsageError(
            "is no date", where=f"--exclude-newer {text}", remedy="give one such as 2026-11-29"
        ) from None


def _new_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help=f"its name, and that of its folder in {OWN}")
    text = "the toolchain to begin with (default: tested)"
    add("--from", dest="parent", default=DEFAULT_TOOLCHAIN, metavar="TOOLCHAIN", help=text)
    more: dict[str, Any] = {"action": "append", "default": []}
    add("--set", **more, metavar="NAME==VERSION", help="pin a package to this version; repeatable")
    add("--drop", **more, metavar="NAME", help="remove a pin, so that others decide; repeatable")
    add("--python", default="", metavar="VERSION", help="3.11, or an exact one such as 3.11.9")
    text = f"only for this kind of machine; repeatable: {', '.join(TARGETS)}"
    add("--target", **more, metavar="NAME", help=text)
    text = "use no package that is newer, now and whenever it is locked again"
    add("--exclude-newer", default="", metavar="DATE", help=text)
    text = "a package that may be newer all the same, and why; repeatable"
    add("--except", dest="excepted", **more, metavar="NAME=REASON", help=text)
    index_option(parser)
    hidden = argparse.SUPPRESS
    add("--find-links", type=as_path, metavar="FOLDER", default=hidden, help="wheels, no network")


def _use_options(parser: argparse.ArgumentParser) -> None:
    text = "what every command uses in this folder and below; without it, say what that is"
    parser.add_argument("name", nargs="?", metavar="TOOLCHAIN", help=text)


def _diff_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", nargs="?", metavar="TOOLCHAIN", help="default: the one in use here")
    add("other", nargs="?", metavar="OTHER", help="default: the one that it was made from")


ACTIONS = (
    Action(name="new", help="make a toolchain of your own", configure=_new_options, run=new),
    Action(
        name="use",
        help="choose the toolchain of this folder",
        configure=_use_options,
        run=use,
    ),
    Action(name="diff", help="how two toolchains differ", configure=_diff_options, run=diff),
)
