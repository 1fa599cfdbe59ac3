"""`sdcoreml weights`: converts a checkpoint of any format to one plain safetensors file."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sdcoreml.convert.models.files import STEMS, find_weights
from sdcoreml.convert.weights.clone import place_aside
from sdcoreml.convert.weights.dtypes import FLOATS
from sdcoreml.convert.weights.replacing import require_older
from sdcoreml.convert.weights.shards import parse_size, write_shards
from sdcoreml.convert.weights.source import Checkpoint, open_checkpoint
from sdcoreml.convert.weights.verify import check_members, check_written
from sdcoreml.convert.weights.writer import WriteOptions, Written, is_already, write_safetensors
from sdcoreml.doctor.report.terminal import draw
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.outputs import find_place
from sdcoreml.ground.places import as_path

DTYPES = {"float16": "F16", "bfloat16": "BF16", "float32": "F32"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("input", type=as_path, help="a file, an index, or the folder of a component")
    add("output", type=as_path, help="the file to write; a folder with --max-shard-size")
    add("--dtype", choices=tuple(DTYPES), help="cast floating-point tensors, telling overflows")
    add("--sha256", action="store_true", help="print the digest of each file written")
    add("--verify", action="store_true", help="check the input's checksums, read the output back")
    add("--max-shard-size", type=_size, metavar="SIZE", help="write shards and an index: 5GB")
    add(
        "--force",
        action="store_true",
        help="replace a file that holds something else, and write a tensor that repeats itself far"
        " beyond the size of its file",
    )


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    """Write the requested files."""
    checkpoint = open_checkpoint(_source(args.input))
    _require_other(args.output, checkpoint)
    digest = args.sha256 or args.verify
    dtype = DTYPES.get(args.dtype or "")
    options = WriteOptions(dtype=dtype, digest=digest, repeats=args.force)
    with draw() as emit:
        for note in (*checkpoint.notes, *_note_uncast(checkpoint, args.dtype)):
            emit(Event(kind="note", text=note))
        if args.verify:
            emit(Event(kind="step", text="check the input"))
            if not check_members(checkpoint, emit):
                emit(Event(kind="note", text="this container carries no checksums"))
        written = _write(checkpoint, args, options, emit)
        for file in written:
            for name, count in file.overflows.items():
                said = f"{name}: {count} values are too large for {args.dtype}, now infinite"
                emit(Event(kind="warning", text=said))
        if args.verify:
            emit(Event(kind="step", text="read the output back"))
            for file in written:
                check_written(file)
    if args.sha256:
        for file in written:
            sys.stdout.write(f"{file.sha256}  {file.path}\n")
    return 0


def _note_uncast(checkpoint: Checkpoint, asked: str | None) -> Iterator[str]:
    """Yield a note if a cast left matrices unchanged because they are quantised, not floats."""
    kinds = (tensor.dtype for tensor in checkpoint.tensors if len(tensor.shape) > 1)
    left = Counter(kind for kind in kinds if asked and kind not in FLOATS)
    for kind, count in left.items():
        yield f"tensors of {kind}, which are not floats, are left as they are ({count})"


def _write(
    checkpoint: Checkpoint, args: argparse.Namespace, options: WriteOptions, emit: Emit
) -> tuple[Written, ...]:
    tensors, target = checkpoint.tensors, args.output
    if args.max_shard_size:
        is_diffusers = checkpoint.path.name.startswith(STEMS[0])
        stem = STEMS[0] if is_diffusers else STEMS[1]
        return write_shards(tensors, target, stem, args.max_shard_size, options, emit)
    if not args.force:
        require_older(find_place(target), tensors)
    only = checkpoint.files[0] if checkpoint.container == "safetensors" else None
    if only and not options.digest and is_already(only, tensors, options):
        emit(Event(kind="step", text=f"link {target.name}: the input is already right"))
        place_aside(only, target)
        return ()
    emit(Event(kind="step", text=f"write {target.name}"))
    return (write_safetensors(tensors, target, options, emit),)


def _source(path: Path) -> Path:
    """Return the file or index to open: `path` itself, or the weights in the folder `path`."""
    if not path.is_dir():
        return path
    found = [weights.source for weights in find_weights(path) if weights.source]
    if not found:
        raise BadInputError("no weights in it", where=path, remedy="give a component's folder")
    return found[0]


def _require_other(target: Path, checkpoint: Checkpoint) -> None:
    """Refuse a target that is the input, or a folder that contains it."""
    for file in checkpoint.files:
        if target.exists() and target.samefile(file):
            raise BadInputError("is the input itself", where=target, remedy="choose another name")
    if target.is_dir() and any(target.resolve() == f.resolve().parent for f in checkpoint.files):
        raise BadInputError("holds the input", where=target, remedy="choose another folder")
