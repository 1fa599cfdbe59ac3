"""`sdcoreml worker`: lets this machine work for the jobs of a cluster, or begins one."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.ground.errors import (
    BadInputError,
    BrokenError,
    ExitCode,
    LockfileError,
    UnreachableError,
    UsageError,
)
from sdcoreml.ground.places import as_path

if TYPE_CHECKING:
    from sdcoreml.envs.cluster.dask import Members
    from sdcoreml.envs.cluster.folder import Cluster
    from sdcoreml.envs.kept.store import Environment
    from sdcoreml.lockfiles.toolchain import Toolchain

PORT = 8786
"""Dask's own port for schedulers."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "cluster",
        nargs="?",
        metavar="CLUSTER",
        help="the folder of the cluster to work for; with --new-cluster, HOST:PORT where it"
        " listens (default: every address of this machine, port 8786)",
    )
    parser.add_argument(
        "--new-cluster",
        type=as_path,
        metavar="FOLDER",
        help="begin a cluster: make its certificate in FOLDER, and wait for workers and jobs",
    )
    add_toolchain(parser)


def run(args: argparse.Namespace) -> int:
    """Begin a cluster, or work for one, until that ends or Ctrl-C."""
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.cluster.dask import find_dask
    from sdcoreml.envs.cluster.folder import find_cluster, split_address
    from sdcoreml.ground.places import environments_folder

    if args.new_cluster:
        host, port = split_address(args.cluster) if args.cluster else ("", PORT)
        with draw() as emit:
            dask = find_dask(environments_folder(), emit)
        return begin(args.new_cluster, host, port, dask)
    if args.cluster is None:
        raise UsageError(
            "give the folder of a cluster, or --new-cluster FOLDER to begin one",
            remedy="see `sdcoreml worker --help`",
        )
    cluster = find_cluster(args.cluster)
    toolchain, environment = _find_environment(args.toolchain)
    with draw() as emit:
        dask = find_dask(environments_folder(), emit)
    broken = verify(environment)
    if broken:
        refuse(cluster, dask, broken)
    return work(cluster, dask, pins(toolchain, environment.interpreter.version))


def begin(folder: Path, host: str, port: int, dask: Any) -> int:  # noqa: ANN401  Dask, or a fake
    """Make a cluster's certificate, and be its scheduler until Ctrl-C.

    Raises:
        BusyError: a cluster is running from this folder, on this machine or another.
    """
    from sdcoreml.envs.cluster.folder import Cluster, keep_credentials, stage_credentials
    from sdcoreml.ground.advice import command, spell

    folder = folder.absolute()
    _require_none_running(folder, dask)
    with ExitStack() as stack:
        new = stack.enter_context(stage_credentials(folder, dask.certify()))
        cluster = Cluster(address="", folder=new)
        messages = dask.take_part(cluster, do="schedule", host=host, port=port)
        for message in stack.enter_context(closing(messages)):
            match message:
                case {"address": str(address)}:
                    keep_credentials(folder, new, address)
                    print(f"a cluster listens at {address}; Ctrl-C ends it")
                    print(spell(f"each machine joins it with {command('worker', folder)}"))
                    print("where that folder is not shared, copy it first: its key admits")
                    print(spell(f"jobs run on it with `sdcoreml jobs FILE --cluster {folder}`"))
                case {"joined": name}:
                    print(f"{name} joined")
                case {"left": name}:
                    print(f"{name} left")
                case {"declined": {"worker": name, "because": because}}:
                    print(f"{name} cannot take part: {because}")
            sys.stdout.flush()
    return ExitCode.FINE


def _require_none_running(folder: Path, dask: Members) -> None:
    """Raise `BusyError` if the cluster that took the folder answers; locks may not reach here."""
    from sdcoreml.envs.cluster.folder import find_cluster, is_running

    try:
        earlier = find_cluster(os.fspath(folder))
        deque(dask.take_part(earlier, do="greet"), maxlen=0)
    except (BadInputError, UnreachableError, UsageError):  # there was none, or it has ended
        return
    raise is_running(folder)


def _find_environment(name: str) -> tuple[Toolchain, Environment]:
    """Return a toolchain and its environment; building one is left to `sdcoreml env`."""
    from sdcoreml.doctor.commands.preflight import find_environment
    from sdcoreml.ground.advice import command

    toolchain, environment = find_environment(name)
    if environment is None:
        build = command("env", "--toolchain", name)
        raise BrokenError(
            f"no environment of {name} is built here", remedy=f"build it with {build}"
        )
    return toolchain, environment


def verify(environment: Environment) -> str:
    """Compare every byte of an environment with its seal; return what is wrong, or ""."""
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.kept.verify import verify_full
    from sdcoreml.ground.events import Event

    with draw() as emit:
        emit(Event(kind="step", text="compare every byte of the environment with its seal"))
        try:
            faults = verify_full(environment, emit).faults
        except BrokenError as error:
            return f"the seal of its environment is broken: {error}"
    if not faults:
        return ""
    more = f" and {len(faults) - 1:,} more" if len(faults) > 1 else ""
    return f"the seal of its environment is broken ({faults[0]}{more})"


def refuse(cluster: Cluster, dask: Members, because: str) -> None:
    """Tell the cluster that this machine cannot take part.

    Raises:
        BrokenError: always; it says so here.
    """
    with suppress(UnreachableError):  # what is broken here matters more
        deque(dask.take_part(cluster, do="decline", name=_own_name(), because=because), maxlen=0)
    raise BrokenError(
        because.replace("its environment", "the environment", 1),
        remedy="repair it with `sdcoreml env repair`; this machine takes no work",
    )


def pins(toolchain: Toolchain, python: str) -> Mapping[str, object]:
    """Return what must be a job's: the code, the toolchain, its lock on every target, and more.

    `python` is the version of the environment's.
    """
    import sdcoreml
    from sdcoreml.convert.cache.key import builder_version
    from sdcoreml.convert.jobs.reuse import xcode
    from sdcoreml.lockfiles.lock import load_lock

    locks = {}
    for target in toolchain.targets:
        with suppress(LockfileError):
            locks[target] = load_lock(os.fspath(toolchain.folder), target).digest
    return {
        "version": sdcoreml.__version__,
        "builder": builder_version(),
        "toolchain": toolchain.name,
        "locks": locks,
        "python": python,
        "xcode": xcode() or "",
    }


def work(cluster: Cluster, dask: Members, pinned: Mapping[str, object]) -> int:
    """Work for a cluster until it ends, and say what is done."""
    from sdcoreml.ground.crew import launch
    from sdcoreml.ground.places import PACKAGE

    code = launch("sdcoreml.doctor.commands.jobs_task")
    request = {
        "name": _own_name(),
        "pins": pinned,
        "command": [sys.executable, "-I", "-B", "-c", code, os.fspath(PACKAGE)],
    }
    with closing(dask.take_part(cluster, do="work", **request)) as messages:
        for message in messages:
            print(tell(message), flush=True)
    return ExitCode.FINE


def tell(message: Mapping[str, object]) -> str:
    """Return a line about what a worker says."""
    line = "the cluster has ended, or lost sight of this machine"
    match message:
        case {"joined": address}:
            line = f"ready to work for the cluster at {address}; Ctrl-C leaves it"
        case {"job": file, "because": ""}:
            line = f"takes part in {file}"
        case {"job": file, "because": because}:
            line = f"refuses work for {file}: {because}"
        case {"began": title}:
            line = f"makes {title}"
        case {"ended": title, "seconds": float(seconds), "because": ""}:
            line = f"ended {title}, {seconds:.1f} s"
        case {"ended": title, "because": because}:
            line = f"gave up {title}: {because}"
    return line


def _own_name() -> str:
    """Return a name by which people know this machine; the number tells two workers on it apart."""
    return f"{platform.node() or 'a machine'}-{os.getpid()}"
