"""`sdcoreml env lock`: compiles and checks the toolchains' locks, and lists changes."""

from __future__ import annotations

import argparse
from itertools import chain
from typing import TYPE_CHECKING

from sdcoreml.doctor.commands.env_common import (
    Action,
    channel_option,
    index_option,
    read_option,
    toolchain_option,
)
from sdcoreml.doctor.commands.env_conda import lock_conda
from sdcoreml.doctor.core.backend import default_toolchain
from sdcoreml.ground.errors import LockfileError, NoOpinionError, UsageError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.places import as_path, is_checkout
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import (
    Toolchain,
    load_toolchain,
    load_variants,
    lock_command,
    toolchain_names,
)

if TYPE_CHECKING:
    from sdcoreml.envs.locking.compile import LockRequest


def lock(args: argparse.Namespace) -> int:
    """Compile and write the locks; with --check, only report if they are out of date."""
    from sdcoreml.doctor.report.terminal import draw

    code = 0
    # A toolchain with `base` comes after that base.
    named = sorted(map(load_toolchain, _names(args)), key=lambda one: bool(one.base))
    for toolchain in chain.from_iterable(map(load_variants, named)):
        if args.conda:
            if not toolchain.is_variant:
                lock_conda(toolchain, args)
        elif args.offline:
            _prove(toolchain)
            print(f"{toolchain.title}: no second opinion was taken: --offline")
        else:
            with draw() as emit:
                code |= _compile(toolchain, args, emit)
    return code


def _compile(toolchain: Toolchain, args: argparse.Namespace, emit: Emit) -> int:
    from sdcoreml.envs.locking.compile import LockRequest, compile_locks, find_stale, write_locks
    from sdcoreml.envs.locking.conda_locking import write_conda_files

    request = LockRequest(
        upgrade=args.upgrade,
        exclude_newer=args.exclude_newer,
        wheels=read_option(args, "find_links"),
        index=read_option(args, "index", ""),
    )
    if args.check:
        from sdcoreml.envs.locking.opinion import find_pip_tools

        find_pip_tools()  # check now: resolving takes minutes
    compiled = compile_locks(toolchain, request, emit)
    if not args.check:
        changed = (*write_locks(toolchain, compiled), *write_conda_files(toolchain))
        for path in changed:
            print(f"wrote {path}")
        print(f"{toolchain.title}: {'locked' if changed else 'nothing moved'}")
        return 0
    _prove(toolchain)
    lines = (*find_stale(toolchain, compiled), *_second_opinion(toolchain, request, emit))
    for line in lines:
        print(line)
    if lines:
        raise LockfileError(
            f"the locks of {toolchain.title} are stale in {len(lines)} places",
            where=toolchain.folder,
            remedy=f"run {lock_command(toolchain.folder)}",
        )
    print(f"{toolchain.title}: the locks are what the pins resolve to")
    return 0


def _second_opinion(toolchain: Toolchain, request: LockRequest, emit: Emit) -> tuple[str, ...]:
    """Return the versions that pip-tools resolves differently here, or why it cannot run."""
    from sdcoreml.envs.locking.opinion import pip_tools, second_opinion

    name, target = toolchain.title, host_target()
    if target not in toolchain.targets:
        print(f"{name}: no second opinion was taken: it would be for {target}, where {name} is not")
        return ()
    try:
        tool = pip_tools(toolchain)
        emit(Event(kind="step", text=f"ask {tool.describe()} about {name} for {target}"))
        opinion = second_opinion(toolchain, tool, request)
    except NoOpinionError as error:
        print(f"{name} on {target}: no second opinion was taken: {error}")
        return ()
    if not opinion.differences:
        print(f"{name} on {target}: {opinion.by} agrees on all {opinion.packages} versions")
    return tuple(f"{target}: {opinion.by}: {line}" for line in opinion.differences)


def _prove(toolchain: Toolchain) -> None:
    """Print for each target that every locked package has a wheel, and the download's size."""
    from sdcoreml.envs.locking.compile import check_folder
    from sdcoreml.envs.locking.conda_locking import check_conda

    check_conda(toolchain)
    for target, artefacts in check_folder(toolchain).items():
        size = amount(sum(artefact.size for artefact in artefacts))
        count = len(artefacts)
        print(f"{toolchain.title} on {target}: {count} packages, a wheel for each, {size}")
    for target, reason in toolchain.refused.items():
        print(f"{toolchain.title} on {target}: refused: {reason}")


def _names(args: argparse.Namespace) -> tuple[str, ...]:
    """Return the given toolchain, else the user's own that is in use here, else all names."""
    if named := read_option(args, "toolchain"):
        return (named,)
    if not load_toolchain(here := default_toolchain()).is_shipped:
        return (here,)
    if not (args.check or args.offline or is_checkout()):
        raise UsageError(
            "sdcoreml's own toolchains are locked in a clone of the project",
            where="env lock",
            remedy="name one of your own with --toolchain",
        )
    return toolchain_names()


def _lock_options(parser: argparse.ArgumentParser) -> None:
    toolchain_option(parser, "your own that `env use` recorded, else all of sdcoreml's")
    add = parser.add_argument
    add("--check", action="store_true", help="write nothing; fail if a lock is stale")
    add("--offline", action="store_true", help="only prove that locks and wheels agree")
    add("--conda", action="store_true", help="the conda packages of Python instead: ask a channel")
    channel_option(parser)
    index_option(parser)
    add("--upgrade", action="store_true", help="forget the versions that are locked now")
    add("--exclude-newer", metavar="DATE", default="", help="ignore what is newer than that")
    hidden = argparse.SUPPRESS
    add("--find-links", type=as_path, metavar="FOLDER", default=hidden, help="wheels, no network")


ACTIONS = (
    Action(name="lock", help="compile the locks, or check them", configure=_lock_options, run=lock),
)
