"""`python -m convert`: a checkpoint in any form becomes a clean diffusers folder.

The flags are those that people know from diffusers' own conversion script, plus a few.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from convert.errors import BadInputError, ConvertError, UnsupportedError
from convert.models.configs import IMAGE_SIZES, SCHEDULERS
from convert.models.embedding import add_embedding, read_embedding
from convert.models.family import Family
from convert.models.layout import read_model
from convert.models.lora import LoraSource, merge_loras, parse_lora
from convert.models.merge import recipe_of, require_apart
from convert.models.prediction import SPELLINGS, PredictionSource
from convert.models.recipe import Recipe, write_recipe
from convert.models.single_file import Weights
from convert.models.unpack import UnpackOptions, unpack
from convert.models.vae import read_vae
from convert.weights.source import open_checkpoint
from convert.weights.writer import WriteOptions
from envs.events import Event

NOT_NEEDED: Mapping[str, str] = {
    "from_safetensors": "the container is told by its first bytes",
    "to_safetensors": "nothing else is written",
    "device": "no tensor is loaded, so no device is used",
    "config_files": "configs are derived from the shapes of the tensors",
    "num_in_channels": "the shape of the first convolution tells it",
    "pipeline_type": "the names of the tensors tell it",
    "pipeline_class_name": "the family and the input channels tell it",
}
"""Flags that are accepted, and why they change nothing."""

UNSUPPORTED = ("stable_unclip", "stable_unclip_prior", "clip_stats_path", "controlnet")
"""Flags for models that have no Core ML target here."""


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
    add = parser.add_argument
    add("--checkpoint_path", type=Path, required=True, metavar="IN", help="a folder or a file")
    add("--dump_path", type=Path, required=True, metavar="OUT", help="the folder to make")
    add("--half", action="store_true", help="store weights as float16")
    add("--extract_ema", action="store_true", help="take the averaged weights of the UNet")
    add("--vae_path", type=Path, metavar="VAE", help="use this VAE, a folder or a file")
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
        action="append",
        default=[],
        metavar="FILE[:NAME]",
        help="add this textual inversion as the word <NAME>; may be repeated",
    )
    add("--tokenizer", type=Path, metavar="FOLDER", help="where vocab.json and merges.txt are")
    add("--original_config_file", type=Path, metavar="YAML", help="tells the prediction type")
    add("--image_size", type=int, metavar="PIXELS", help="what the model was trained on")
    add("--prediction_type", choices=tuple(SPELLINGS), help="needed for SD 2.x only")
    add("--upcast_attention", action="store_true", default=None, help="as SD 2.1 needs it")
    add("--scheduler_type", choices=tuple(SCHEDULERS), help="default: the family's own")
    for flag, reason in NOT_NEEDED.items():
        switch = "store_true" if flag in ("to_safetensors", "from_safetensors") else "store"
        add(f"--{flag}", action=switch, help=f"accepted, not needed: {reason}")
    for flag in UNSUPPORTED:
        add(f"--{flag}", nargs="?", const="yes", help=argparse.SUPPRESS)
    return parser


def run(options: argparse.Namespace) -> int:
    """Convert as `options` say."""
    source, target = options.checkpoint_path, options.dump_path
    for flag in UNSUPPORTED:
        if getattr(options, flag):
            raise UnsupportedError(
                f"{source}: --{flag} is for models that no Core ML target here runs; leave it out"
            )
    for flag in ("device", "config_files", "num_in_channels", "pipeline_type"):
        if getattr(options, flag):
            _say(f"note: --{flag} is not needed: {NOT_NEEDED[flag]}")
    recipe = _from_folder(options) if source.is_dir() else _from_file(options)
    if source.is_dir():
        require_apart(source, target)
    recipe = merge_loras(recipe, options.lora)
    for given in options.embedding:
        path, _, name = given.partition(":")
        recipe = add_embedding(recipe, read_embedding(Path(path), name or None))
    writing = WriteOptions(dtype="F16" if options.half else None)
    for written in write_recipe(recipe, target, writing, _draw):
        for name, count in written.overflows.items():
            _say(f"warning: {name}: {count} values are too large for float16 and became infinite")
    _say(f"wrote {target}")
    return 0


def _lora(text: str) -> LoraSource:
    try:
        return parse_lora(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _from_folder(options: argparse.Namespace) -> Recipe:
    for flag in ("extract_ema", "original_config_file", "prediction_type", "image_size"):
        if getattr(options, flag):
            raise BadInputError(
                f"{options.checkpoint_path}: --{flag} is for single-file checkpoints, "
                "a folder's own configs say it; leave it out"
            )
    model = read_model(options.checkpoint_path)
    for note in model.notes:
        _say(f"note: {note}")
    recipe = recipe_of(model)
    if options.vae_path:
        family = model.family if model.family is not Family.UNKNOWN else Family.SD1
        unet = model.components.get("unet")
        sample = unet.config.get("sample_size") if unet else None
        size = 8 * sample if isinstance(sample, int) else IMAGE_SIZES.get(family, 512)
        recipe = recipe.with_part("vae", read_vae(options.vae_path, family, size))
    return recipe


def _from_file(options: argparse.Namespace) -> Recipe:
    checkpoint = open_checkpoint(options.checkpoint_path)
    for note in checkpoint.notes:
        _say(f"note: {note}")
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
    return unpack(checkpoint, unpacking)


def _draw(event: Event) -> None:
    if event.kind == "step":
        _say(event.text)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _terminate(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  signal's signature
    raise SystemExit(128 + signum)
