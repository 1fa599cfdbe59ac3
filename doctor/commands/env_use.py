"""`sdcoreml env which`, `run`, `shell`, `list`, `rollback` and `gc`."""

from __future__ import annotations

import argparse
import json

from sdcoreml.doctor.commands.env_common import (
    Action,
    environment_options,
    read_backend,
    read_toolchain,
    require_environment,
)
from sdcoreml.envs.building.base import name_of
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.errors import EnvError
from sdcoreml.ground.places import environments_folder
from sdcoreml.ground.quantity import amount

SCHEMA = 1
"""The version of the format that `list --json` prints."""


def which(args: argparse.Namespace) -> int:
    """Print the path of the environment's Python."""
    print(require_environment(args).python)
    return 0


def run(args: argparse.Namespace) -> int:
    """Replace this process by a command, run in the environment."""
    from sdcoreml.envs.kept import activate

    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    if not words:
        raise EnvError("env run: no command", remedy="give one, as in `env run -- python -V`")
    activate.run(require_environment(args), words)


def shell(args: argparse.Namespace) -> int:
    """Replace this process by the user's shell, run in the environment."""
    from sdcoreml.envs.kept import activate

    activate.shell(require_environment(args))


def list_stored(args: argparse.Namespace) -> int:
    """List every environment, the newest last."""
    stored = store.list_environments(environments_folder())
    if args.json:
        rows = [_row(one, links) for one, links in stored.items()]
        root = str(environments_folder())
        print(json.dumps({"schema": SCHEMA, "root": root, "environments": rows}))
        return 0
    if not stored:
        print(f"no environment is built in {environments_folder()}; `sdcoreml env` builds one")
    for one, links in stored.items():
        drift = "*" if one.drift else " "
        print(
            f"{one.path.name:<18} {one.toolchain:<10} {one.backend:<5}"
            f" Python {one.interpreter.version:<8}{drift}"
            f" {amount(one.size):>7}  {one.built:%Y-%m-%d %H:%M}  {one.seal[:16]}"
            f"  {', '.join(links) or '(gc removes it)'}"
        )
    return 0


def rollback(args: argparse.Namespace) -> int:
    """Put the previous environment back into use."""
    from sdcoreml.envs.kept.verify import verify_fast

    name, root = name_of(read_toolchain(args), read_backend(args)), environments_folder()
    before = store.previous(name, root)
    if before is None:
        raise EnvError("there is no earlier environment to go back to", where=root / name)
    if faults := verify_fast(before).faults:
        raise EnvError(
            f"the earlier environment is damaged: {faults[0]}",
            where=before.path,
            remedy="`sdcoreml env build --fresh` builds a new one",
        )
    with store.hold_lock(root):
        store.rollback(name, root)
    print(f"{before.title}: {before.path.name} of {before.built:%Y-%m-%d %H:%M} is in use again")
    return 0


def collect(args: argparse.Namespace) -> int:
    """Remove unused environments, Pythons and engines; with --dry-run, only list them."""
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.care import garbage

    root = environments_folder()
    if args.dry_run:
        found = garbage.find_garbage(root)
        sizes = found.sizes()
        for path, nbytes in sizes.items():
            print(f"{path}  {amount(nbytes)}")
        size, said = sum(sizes.values()), "would be removed"
    else:
        with draw() as emit:
            found, size = garbage.collect(root, emit)
        said = "removed"
    what = found.summary()
    print(f"{what} {said}, {amount(size)}" if what else f"{root}: nothing to remove")
    for one in found.used:
        print(f"{one.path} stays: a running process uses it")
    return 0


def _row(one: Environment, links: tuple[str, ...]) -> dict[str, object]:
    return {
        "path": str(one.path),
        "toolchain": one.toolchain,
        "backend": one.backend,
        "python": one.interpreter.version,
        "drift": one.drift,
        "size": one.size,
        "built": one.built.isoformat(),
        "seal": one.seal,
        "links": list(links),
    }


def _command_option(parser: argparse.ArgumentParser) -> None:
    environment_options(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND")


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def _dry_run_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only list what would be removed")


ACTIONS = (
    Action(name="which", help="print its Python", configure=environment_options, run=which),
    Action(name="run", help="run a command in it", configure=_command_option, run=run),
    Action(name="shell", help="open a shell in it", configure=environment_options, run=shell),
    Action(name="list", help="what is built", configure=_json_option, run=list_stored),
    Action(name="rollback", help="use the one before", configure=environment_options, run=rollback),
    Action(name="gc", help="remove what nothing keeps", configure=_dry_run_option, run=collect),
)
