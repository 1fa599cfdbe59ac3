"""`sdcoreml pack`: packs finished folders for others, with a model card."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path

from sdcoreml.convert.deliver.card import require_card, write_card
from sdcoreml.convert.deliver.contents import Contents, contents_of, is_same_model
from sdcoreml.convert.deliver.pack import Archive, pack, targets_of
from sdcoreml.doctor.report.terminal import draw
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.places import as_path
from sdcoreml.ground.quantity import amount

SCHEMA = 1
"""Version of the format that `--json` prints."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add(
        "folders",
        nargs="+",
        type=as_path,
        metavar="FOLDER",
        help="a folder that sdcoreml convert made; several of one model get one card",
    )
    add(
        "-o",
        "--output",
        type=as_path,
        default=Path("packed"),
        metavar="FOLDER",
        help="where to write the archives and README.md, the card (default: packed)",
    )
    add(
        "--name",
        type=_repository,
        help="what archives are called before the attention: for swift-coreml-diffusers, the name"
        " of the repository on the hub (default: the model's, with bits and size)",
    )
    add("--json", action="store_true", help="print what was written as JSON")


def _repository(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name of a repository: letters, digits, and . _ -"
        )
    return text


def run(args: argparse.Namespace) -> int:
    """Pack the folders; what is there already as it would be written is written again."""
    contents = [contents_of(folder) for folder in args.folders]
    _require_one_model(contents)
    name = args.name or ""
    require_card(args.output, targets_of(contents, args.output, name))
    with draw() as emit:
        archives = [*pack(contents, args.output, name, emit)]
    card = write_card(archives, args.output)
    if args.json:
        found = [_as_data(one) for one in archives]
        print(json.dumps({"schema": SCHEMA, "archives": found, "card": str(card)}))
        return 0
    for one in archives:
        print(f"{one.path}: {len(one.contents.files)} files, {amount(one.record.size)}")
        print(f"  sha256 {one.record.sha256}")
    print(f"{card}: the card")
    return 0


def _require_one_model(contents: Sequence[Contents]) -> None:
    for one in contents[1:]:
        if not is_same_model(one.manifest, contents[0].manifest):
            raise UsageError(
                f"is of another model than {contents[0].folder}, and they would share a card",
                where=one.folder,
                remedy="pack it by itself, to another --output",
            )


def _as_data(archive: Archive) -> dict[str, object]:
    return {
        "path": str(archive.path),
        "bytes": archive.record.size,
        "sha256": archive.record.sha256,
        "folder": str(archive.contents.folder),
    }
