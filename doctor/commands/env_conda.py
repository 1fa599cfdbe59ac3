"""`sdcoreml env lock --conda` and `conda-files`: locks conda packages, writes files for conda."""

from __future__ import annotations

import argparse

from sdcoreml.doctor.commands.env_common import (
    Action,
    read_channel,
    read_option,
    read_toolchain,
    shorten,
    toolchain_option,
)
from sdcoreml.envs.kept import store
from sdcoreml.ground.errors import LockfileError
from sdcoreml.ground.places import environments_folder
from sdcoreml.lockfiles.conda import load_conda_lock
from sdcoreml.lockfiles.toolchain import Toolchain, lock_command


def lock_conda(toolchain: Toolchain, args: argparse.Namespace) -> None:
    """Lock the conda packages of a toolchain's Python; with --check, only report changes."""
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.conda.engine import find_engine
    from sdcoreml.envs.locking.conda_locking import (
        find_stale_conda,
        solve_python,
        write_conda_files,
        write_conda_locks,
    )

    place = read_channel(args) or toolchain.conda.channel
    if toolchain.base:
        for path in () if args.check else write_conda_files(toolchain):
            print(f"wrote {shorten(path)}")
        print(f"{toolchain.name}: has the Python of {toolchain.base}")
        return
    with draw() as emit:
        with store.hold_lock(environments_folder(), emit) as lock_fd:
            index = read_option(args, "index", "")
            engine = find_engine(environments_folder(), emit, keep=(lock_fd,), index=index)
        locks = solve_python(toolchain, engine, place, newest=args.exclude_newer, emit=emit)
    if args.check:
        lines = find_stale_conda(toolchain, locks)
        for line in lines:
            print(line)
        asked_before = all(load_conda_lock(toolchain, lock.target).from_channel for lock in locks)
        again = lock_command(toolchain.folder, "--conda")
        if lines and not asked_before:
            print(
                f"{toolchain.name}: locked from public lock files, stale in {len(lines)} places;"
                f" {again} replaces them by what the channel has"
            )
            return
        if lines:
            raise LockfileError(
                f"the conda locks of {toolchain.name} are stale in {len(lines)} places",
                where=toolchain.folder,
                remedy=f"run {again}",
            )
        print(f"{toolchain.name}: the conda locks are what {place} has")
        return
    changed = (*write_conda_locks(toolchain, locks), *write_conda_files(toolchain))
    for path in changed:
        print(f"wrote {shorten(path)}")
    print(f"{toolchain.name}: {'locked' if changed else 'nothing moved'}")


def conda_files(args: argparse.Namespace) -> int:
    """Write the files for conda and mamba; with --check, report whether they are current."""
    from sdcoreml.envs.locking.conda_locking import check_conda, write_conda_files

    toolchain = read_toolchain(args)
    if args.check:
        check_conda(toolchain)
        print(f"{toolchain.name}: conda's files are what the toolchain says")
        return 0
    changed = write_conda_files(toolchain)
    for path in changed:
        print(f"wrote {shorten(path)}")
    print(f"{toolchain.name}: {'written' if changed else 'nothing moved'}")
    return 0


def _files_options(parser: argparse.ArgumentParser) -> None:
    toolchain_option(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")


ACTIONS = (
    Action(
        name="conda-files",
        help="write environment.yml and the explicit lock for conda",
        configure=_files_options,
        run=conda_files,
    ),
)
