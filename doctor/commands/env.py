"""`sdcoreml env`: build, verify and name the environment of a toolchain."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs import store
from envs.errors import EnvError
from envs.store import Environment
from lockfiles.toolchain import load_toolchain, toolchain_names

HELP = "build and prove the tested environment"
_DIGITS = 16
_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One word after `sdcoreml env`."""

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the actions; without one, `build` is meant."""
    _build_options(parser)
    parser.set_defaults(action=build)
    actions = parser.add_subparsers(metavar="ACTION", title="actions (default: build)")
    for action in ACTIONS:
        one = actions.add_parser(action.name, help=action.help, description=action.help)
        action.configure(one)
        one.set_defaults(action=action.run)


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    action: Callable[[argparse.Namespace], int] = args.action
    return action(args)


def build(args: argparse.Namespace) -> int:
    """Build the environment, or say that there is nothing to do."""
    from doctor.terminal import draw
    from envs.build import Options
    from envs.build import build as build_environment
    from envs.installer import Source

    name = _toolchain(args)
    options = Options(
        python=_asked(args, "python"),
        fresh=_asked(args, "fresh") or False,
        strict=_asked(args, "strict") or False,
        installer=_asked(args, "installer") or "",
        source=Source(index=_asked(args, "index") or "", wheels=_asked(args, "find_links")),
    )
    with draw() as emit:
        made = build_environment(load_toolchain(name), options=options, emit=emit)
    print(describe(made, load_toolchain(name).python.version))
    return 0


def verify(args: argparse.Namespace) -> int:
    """Compare the environment with its manifest."""
    from doctor.terminal import draw
    from envs.verify import verify_fast, verify_full

    found = _current(args)
    with draw() as emit:
        outcome = verify_full(found, emit) if args.full else verify_fast(found)
    if _asked(args, "json"):
        faults = [{"path": f.path, "what": f.what, "owner": f.owner} for f in outcome.faults]
        print(json.dumps({"seal": found.seal, "files": outcome.files, "faults": faults}))
        return 1 if faults else 0
    depth = "every byte" if args.full else "sizes and times"
    if not outcome.faults:
        print(f"{found.name}: {outcome.files:,} files as sealed ({depth}), seal {found.seal}")
        return 0
    for fault in outcome.faults[:_LISTED]:
        print(fault)
    if len(outcome.faults) > _LISTED:
        print(f"... and {len(outcome.faults) - _LISTED:,} more (--json lists all)")
    raise EnvError(
        f"{found.path}: {len(outcome.faults):,} of {outcome.files:,} files are not as sealed;"
        f" `sdcoreml env build --fresh --toolchain {found.name}` makes it again"
    )


def which(args: argparse.Namespace) -> int:
    """Print the path of the environment's Python."""
    print(_current(args).python)
    return 0


def describe(made: Environment, wanted: str) -> str:
    """Two lines about an environment; `wanted` is the tested Python."""
    python = made.interpreter.version
    drift = f" (drift: tested with {wanted})" if made.drift else ""
    where = os.path.relpath(made.path) if made.path.is_relative_to(Path.cwd()) else made.path
    return (
        f"{made.name}: {where}, Python {python}{drift},"
        f" {made.files:,} files, {made.size / 1e9:.2f} GB\nseal {made.seal}"
    )


def _no_options(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing beyond what every action has."""


def _toolchain_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--toolchain",
        metavar="NAME",
        default=argparse.SUPPRESS,
        help=f"{', '.join(toolchain_names())}, or the path of a folder (default: tested)",
    )


def _build_options(parser: argparse.ArgumentParser) -> None:
    _toolchain_option(parser)
    add = parser.add_argument
    hidden = argparse.SUPPRESS  # an action's own default must not undo what stands before it
    add("--python", type=Path, metavar="PATH", default=hidden, help="the Python to build with")
    add("--strict", action="store_true", default=hidden, help="refuse any but the exact Python")
    add("--fresh", action="store_true", default=hidden, help="build even if it is there")
    add("--installer", choices=("uv", "pip"), default=hidden, help="default: uv if there is one")
    add("--index", metavar="URL", default=hidden, help="a mirror of the package index")
    add("--find-links", type=Path, metavar="FOLDER", default=hidden, help="wheels, no network")


def _verify_options(parser: argparse.ArgumentParser) -> None:
    _toolchain_option(parser)
    parser.add_argument("--full", action="store_true", help="compare every byte")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def _asked(args: argparse.Namespace, option: str) -> Any:  # noqa: ANN401  as argparse types it
    return getattr(args, option, None)


def _toolchain(args: argparse.Namespace) -> str:
    return str(_asked(args, "toolchain") or os.environ.get("TOOLCHAIN") or "tested")


def _current(args: argparse.Namespace) -> Environment:
    name = load_toolchain(_toolchain(args)).name
    found = store.current(name)
    if found is None:
        raise EnvError(f"{store.root() / name}: no environment built; run `sdcoreml env` first")
    return found


ACTIONS = (
    Action(name="build", help="build it, unless it is there", configure=_build_options, run=build),
    Action(name="verify", help="is it as sealed?", configure=_verify_options, run=verify),
    Action(name="which", help="print its Python", configure=_toolchain_option, run=which),
)
