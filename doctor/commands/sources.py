"""`sdcoreml sources`: manages the folders of other programs in which models are looked up."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sdcoreml.convert.sources.find import KINDS, folders_here, models_in
from sdcoreml.envs.mirrors.configuration import read_configuration, write_sources
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.places import as_path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    parser.set_defaults(action=show)
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    actions = parser.add_subparsers(metavar="ACTION", title="actions (default: list)")
    shown = actions.add_parser("list", help="show the folders, and how many models each has")
    shown.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print them as JSON"
    )
    shown.set_defaults(action=show)
    for name, action, text in (
        ("add", add, "look for models in this folder, too"),
        ("remove", remove, "no longer look there"),
    ):
        one = actions.add_parser(name, help=text, description=text)
        one.add_argument("kind", choices=sorted(KINDS), help="the program that owns the folder")
        one.add_argument("path", type=as_path, help="ComfyUI's or A1111's own folder, or any")
        one.set_defaults(action=action)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action: list, add or remove a folder."""
    code: int = args.action(args)
    return code


def show(args: argparse.Namespace) -> int:
    """List the folders in which models are looked up, and how many models each has."""
    counts = {str(folder): sum(1 for _ in models_in(folder)) for folder in folders_here()}
    if args.json:
        print(json.dumps({"schema": 1, "folders": counts}))
        return 0
    for folder, count in counts.items():
        print(f"{folder}: {count} model{'' if count == 1 else 's'}")
    if not counts:
        print("no folders of models; name one with `sdcoreml sources add folder PATH`")
    return 0


def add(args: argparse.Namespace) -> int:
    """Add a folder to the user's configuration, unless it is listed already."""
    path = args.path.absolute()
    places = [path / below for below in KINDS[args.kind]]
    if not any(place.is_dir() for place in places):
        wanted = " or ".join(below or "." for below in KINDS[args.kind])
        raise BadInputError(
            f"has no folder {wanted}" if path.is_dir() else "no such folder",
            where=path,
            remedy="give the folder in which that program itself is"
            if args.kind != "folder"
            else "give a folder that exists",
        )
    sources = {**read_configuration().sources}
    sources[args.kind] = tuple(dict.fromkeys((*sources.get(args.kind, ()), str(path))))
    written = write_sources(sources)
    count = sum(1 for place in places for _ in models_in(place))
    print(f"{path}: {count} model{'s' if count != 1 else ''}; remembered in {written}")
    return 0


def remove(args: argparse.Namespace) -> int:
    """Remove a folder from the user's configuration; the folder itself stays."""
    sources = {**read_configuration().sources}
    known = sources.get(args.kind, ())
    gone = {str(args.path), str(args.path.absolute())}
    if not gone & {*known}:
        raise UsageError(
            f"is not remembered as {args.kind}",
            where=Path(args.path),
            remedy=f"there are {', '.join(known) or 'none'}",
        )
    sources[args.kind] = tuple(path for path in known if path not in gone)
    print(f"forgotten; written {write_sources(sources)}")
    return 0
