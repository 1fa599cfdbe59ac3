"""The command line of `python -m convert`: turns any checkpoint into a diffusers folder.

The flags are those of diffusers' own conversion script, plus a few.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from sdcoreml.convert.models.configs import SCHEDULERS
from sdcoreml.convert.models.folder_plan import write_folder
from sdcoreml.convert.models.ingredients import Ingredients, combine, parse_embedding
from sdcoreml.convert.models.lora import LoraSource, parse_lora
from sdcoreml.convert.models.merge import require_apart
from sdcoreml.convert.models.prediction import SPELLINGS, PredictionSource
from sdcoreml.convert.models.single_file import Weights
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.convert.weights.writer import WriteOptions
from sdcoreml.ground.arguments import Parser
from sdcoreml.ground.errors import UnsupportedError
from sdcoreml.ground.events import Event
from sdcoreml.ground.exits import run_to_exit_code
from sdcoreml.ground.places import as_path
from sdcoreml.ground.signals import end_on_signals
from sdcoreml.ground.visible import filter_output, one_line

NOT_NEEDED: Mapping[str, str] = {
    "from_safetensors": "the container is recognised by its first bytes",
    "to_safetensors": "nothing else is written",
    "device": "no tensor is loaded, so no device is used",
    "config_files": "configs are derived from the shapes of the tensors",
    "num_in_channels": "the shape of the first convolution tells it",
    "pipeline_type": "the names of the tensors tell it",
    "pipeline_class_name": "the family and the input channels tell it",
}
"""Maps each flag that is accepted but has no effect to the reason why it is not needed."""

SWITCHES = frozenset({"from_safetensors", "to_safetensors"})
"""Ignored flags without a value. People pass them by habit, so no note is printed for them."""

UNSUPPORTED = ("stable_unclip", "stable_unclip_prior", "clip_stats_path", "controlnet")
"""Flags for kinds of models that cannot be converted to Core ML here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    end_on_signals()
    given = sys.argv[1:] if arguments is None else arguments
    with filter_output():
        return run_to_exit_code(lambda: run(build_parser().parse_or_suggest(given)))


def build_parser() -> Parser:
    """Build the argument parser of `python -m convert`."""
    parser = Parser(
        prog="python -m convert",
        description="Turn a checkpoint in any form into a diffusers folder with one safetensors "
        "file per component. Needs no torch and runs nothing that a pickle names.",
    )
    add = parser.add_argument
    add("--checkpoint_path", type=as_path, required=True, metavar="IN", help="a folder or a file")
    add("--dump_path", type=as_path, required=True, metavar="OUT", help="the folder to make")
    add("--half", action="store_true", help="store weights as float16")
    add("--extract_ema", action="store_true", help="take the averaged weights of the UNet")
    add("--vae_path", type=as_path, metavar="VAE", help="use this VAE, a folder or a file")
    add(
        "--lora",
        type=_lora,
        action="append",
        default=[],
        metavar="FILE[:SCALE]",
        help="merge this LoRA into the weights; may be repeated",
    )
    add(
        "--embedding",
        type=parse_embedding,
        action="append",
        default=[],
        metavar="FILE[:NAME]",
        help="add this textual inversion as the word <NAME>; may be repeated",
    )
    add(
        "--tokenizer",
        type=as_path,
        metavar="FOLDER",
        help="the folder that holds vocab.json and merges.txt",
    )
    add(
        "--original_config_file",
        type=as_path,
        metavar="YAML",
        help="the model's original config, read for the prediction type",
    )
    add(
        "--image_size",
        type=int,
        metavar="PIXELS",
        help="the size of the images that the model was trained on",
    )
    add(
        "--prediction_type",
        choices=tuple(SPELLINGS),
        help="what the UNet predicts; needed for SD 2.x only",
    )
    _add_expectations(parser)
    _add_others(parser)
    return parser


def _add_expectations(parser: Parser) -> None:
    """Add the options of diffusers' script that say what the model is, beyond its tensors."""
    add = parser.add_argument
    # diffusers first took a value here, later a bare flag.
    add(
        "--upcast_attention",
        nargs="?",
        const=True,
        type=_truth,
        help="compute attention in float32, which SD 2.1 needs",
    )
    add("--scheduler_type", choices=tuple(SCHEDULERS), help="default: the family's own")


def _add_others(parser: Parser) -> None:
    """Add the options of diffusers' script that are accepted without effect, or refused later."""
    add = parser.add_argument
    for flag, reason in NOT_NEEDED.items():
        switch = "store_true" if flag in SWITCHES else "store"
        add(f"--{flag}", action=switch, help=f"accepted, not needed: {reason}")
    for flag in UNSUPPORTED:
        add(f"--{flag}", nargs="?", const="yes", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Convert a checkpoint to a diffusers folder as `options` say; return the exit code."""
    source, target = options.checkpoint_path, options.dump_path
    for flag in UNSUPPORTED:
        if getattr(options, flag):
            raise UnsupportedError(
                f"--{flag} is for models that cannot be converted to Core ML here",
                where=source,
                remedy="leave it out",
            )
    for flag in NOT_NEEDED.keys() - SWITCHES:
        if getattr(options, flag):
            _say(f"note: --{flag} is not needed: {NOT_NEEDED[flag]}")
    plan = combine(_ingredients(options), _draw)
    if source.is_dir():
        require_apart(source, target)
    writing = WriteOptions(dtype="F16" if options.half else None)
    for written in write_folder(plan, target, writing, _draw):
        for name, count in written.overflows.items():
            _say(f"warning: {name}: {count} values are too large for float16 and became infinite")
    _say(f"wrote {target}")
    return 0


def _truth(text: str) -> bool:
    """Parse the value of a yes-or-no flag; empty, `0`, `false` and `no` are false.

    Diffusers' old script took any text as true, although it did not mean to.
    """
    return text.lower() not in ("", "0", "false", "no")


def _lora(text: str) -> LoraSource:
    try:
        return parse_lora(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _ingredients(options: argparse.Namespace) -> Ingredients:
    told = PredictionSource(option=options.prediction_type, config=options.original_config_file)
    unpacking = UnpackOptions(
        told=told,
        image_size=options.image_size,
        weights=Weights.AVERAGED if options.extract_ema else Weights.TRAINED,
        scheduler=options.scheduler_type,
        upcast_attention=options.upcast_attention,
        vae=options.vae_path,
        tokenizer=options.tokenizer,
    )
    return Ingredients(
        model=options.checkpoint_path,
        unpacking=unpacking,
        loras=tuple(options.lora),
        embeddings=tuple(options.embedding),
    )


def _draw(event: Event) -> None:
    if event.kind == "step":
        _say(event.text)
    elif event.kind in ("note", "warning"):
        _say(f"{event.kind}: {event.text}")


def _say(line: str) -> None:
    print(one_line(line), file=sys.stderr)
