"""`python -m convert`: a checkpoint in any form becomes a clean diffusers folder.

The flags are those that people know from diffusers' own conversion script.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from convert.errors import ConvertError, UnsupportedError
from convert.models.layout import read_model
from convert.models.merge import merge_model
from convert.weights.writer import WriteOptions
from envs.events import Event


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code says how it went (see `convert.errors`)."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return run(build_parser().parse_args(arguments))
    except ConvertError as error:
        _say(f"error: {error}")
        return error.exit_code
    except OSError as error:
        _say(f"error: {error.filename or 'input'}: {error.strerror}; check it and try again")
        return 1
    except KeyboardInterrupt:
        _say("interrupted; no output was written")
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of `python -m convert`."""
    parser = argparse.ArgumentParser(
        prog="python -m convert",
        description="Turn a checkpoint in any form into a diffusers folder with one safetensors "
        "file per component. Needs no torch and runs nothing that a pickle names.",
    )
    parser.add_argument("--checkpoint_path", type=Path, required=True, metavar="IN")
    parser.add_argument("--dump_path", type=Path, required=True, metavar="OUT")
    parser.add_argument(
        "--to_safetensors", action="store_true", help="the default here, accepted for familiarity"
    )
    parser.add_argument("--half", action="store_true", help="store weights as float16")
    return parser


def run(options: argparse.Namespace) -> int:
    """Convert as `options` say."""
    if options.checkpoint_path.is_file():
        raise UnsupportedError(
            f"{options.checkpoint_path}: single-file checkpoints are not yet supported; "
            "give the folder of a diffusers model"
        )
    model = read_model(options.checkpoint_path)
    for note in model.notes:
        _say(f"note: {note}")
    writing = WriteOptions(dtype="F16" if options.half else None)
    for written in merge_model(model, options.dump_path, writing, _draw):
        for name, count in written.overflows.items():
            _say(f"warning: {name}: {count} values are too large for float16 and became infinite")
    _say(f"wrote {options.dump_path}")
    return 0


def _draw(event: Event) -> None:
    if event.kind == "step":
        _say(event.text)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _terminate(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  signal's signature
    raise SystemExit(128 + signum)
