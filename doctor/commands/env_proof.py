"""`sdcoreml env verify` and `repair`: compares an environment with its seal, and restores it."""

from __future__ import annotations

import argparse
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from sdcoreml.doctor.commands.env_common import (
    Action,
    environment_options,
    read_option,
    read_source,
    read_toolchain_in_use,
    require_environment,
    source_options,
)
from sdcoreml.ground.errors import EnvError

if TYPE_CHECKING:
    from sdcoreml.envs.kept.store import Environment
    from sdcoreml.envs.kept.verify import VerifyResult
    from sdcoreml.ground.events import Emit

SCHEMA = 1
"""The version of the format that `verify --json` prints."""

_LISTED = 20
_LAG = 50_000_000
"""The nanoseconds, at most, by which the clock of a file system lags behind."""


def verify(args: argparse.Namespace) -> int:
    """Compare the environment with its manifest."""
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.kept.verify import verify_fast
    from sdcoreml.ground.events import Event

    found = require_environment(args)
    if args.full:
        with draw() as emit:
            emit(Event(kind="step", text="compare every byte with the seal"))
            outcome = _verify_fully(found, emit)
    else:
        outcome = verify_fast(found)
    if args.json:
        faults = [{"path": f.path, "what": f.what, "owner": f.owner} for f in outcome.faults]
        told = {"schema": SCHEMA, "seal": found.seal, "files": outcome.files, "faults": faults}
        print(json.dumps(told))
        return 1 if faults else 0
    depth = "every byte" if args.full else "sizes, times and modes"
    if not outcome.faults:
        print(f"{found.title}: {outcome.files:,} files as sealed ({depth}), seal {found.seal}")
        return 0
    for fault in outcome.faults[:_LISTED]:
        print(fault)
    if len(outcome.faults) > _LISTED:
        print(f"... and {len(outcome.faults) - _LISTED:,} more (--json lists all)")
    raise EnvError(
        f"{len(outcome.faults):,} of {outcome.files:,} files differ from the seal",
        where=found.path,
        remedy="`sdcoreml env repair` restores them",
    )


def _verify_fully(environment: Environment, emit: Emit) -> VerifyResult:
    """Compare every byte; if all are right, files that were merely touched count as looked at.

    A restored backup, or a program that links files, touches thousands, and each would be read
    again by every command.
    """
    from sdcoreml.envs.kept import store
    from sdcoreml.envs.kept.verify import verify_full

    began = time.time_ns() - _LAG
    outcome = verify_full(environment, emit)
    if not outcome.faults:
        with suppress(OSError):  # it may be somebody else's
            store.touch(environment, began)
    return outcome


def repair(args: argparse.Namespace) -> int:
    """Restore files that differ from the seal, from packages whose hashes are checked."""
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.care.repair import repair as repair_environment

    found = require_environment(args)
    with draw() as emit:
        done = repair_environment(
            found,
            toolchain=read_toolchain_in_use(args),
            source=read_source(args),
            installer=read_option(args, "installer", ""),
            emit=emit,
        )
    for path in done.restored[:_LISTED]:
        print(f"restored {path}")
    for path in done.removed[:_LISTED]:
        print(f"removed {path}")
    print(
        f"{found.title}: {len(done.restored):,} restored, {len(done.removed):,} removed;"
        f" as sealed, seal {found.seal}"
    )
    return 0


def _verify_options(parser: argparse.ArgumentParser) -> None:
    environment_options(parser)
    parser.add_argument("--full", action="store_true", help="compare every byte")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _repair_options(parser: argparse.ArgumentParser) -> None:
    environment_options(parser)
    source_options(parser)


ACTIONS = (
    Action(name="verify", help="is it as sealed?", configure=_verify_options, run=verify),
    Action(name="repair", help="restore what is not", configure=_repair_options, run=repair),
)
