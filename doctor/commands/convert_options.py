"""Declares the options of `sdcoreml convert`.

Options that were not given are absent from the namespace, because `convert_jobs` takes their values
from an earlier result. An option's `dest` is its field in `convert.jobs.options.Options`, if any.
"""

from __future__ import annotations

import argparse

from sdcoreml.convert.bundle.apps import App
from sdcoreml.convert.jobs.options import ATTENTIONS
from sdcoreml.convert.models.ingredients import parse_embedding
from sdcoreml.convert.programs.options import Prediction, Target
from sdcoreml.doctor.commands.convert_values import (
    LARGEST,
    OURS,
    attention_name,
    converter,
    folder_name,
    image_size,
    lora,
    name_set,
    positive_int,
    positive_number,
    precision,
    target,
    whole_number,
)
from sdcoreml.doctor.commands.named_models import as_model
from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.ground.places import as_path

METHODS = ("kmeans", "uniform", "linear")


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `sdcoreml convert`."""
    parser.add_argument(
        "model",
        nargs="?",
        type=as_model,
        help="a diffusers folder, of a model or of a ControlNet, a single .safetensors or .ckpt, or"
        " a name: owner/name[@revision] of the hub, an address, civitai:VERSION",
    )
    parser.add_argument(
        "--sample", action="store_true", help="make a small model that draws shapes, and convert it"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=as_path,
        metavar="FOLDER",
        help="default: models/NAME-ATTENTION_WxH, with how weights are stored before the _",
    )
    parser.add_argument(
        "--name",
        type=folder_name,
        help="what the model is called in the folder's name (default: its own)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace a result of another model, or a checked one by one that cannot be checked",
    )
    add_toolchain(parser)
    parser.add_argument(
        "--workers",
        type=positive_int,
        metavar="N",
        help="processes that share the work, each with 0.2 GB of memory; the result is the same"
        " (default: one for each core, as far as memory allows)",
    )
    parser.add_argument(
        "--index",
        metavar="URL",
        help="a mirror of the package index (default: $UV_DEFAULT_INDEX, $PIP_INDEX_URL, or pip's)",
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="say what would be made, from what, and what it takes; write nothing",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    _delivery(parser)
    _converter(parser)
    for declare_group in (_ingredients, _shapes, _programs, _meaning, _storage):
        declare_group(parser)


def _delivery(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("delivery")
    group.add_argument(
        "--app",
        choices=[app.value for app in App],
        help="convert for this app: refuse what it does not use, and say how it loads the result"
        " (default: for mochi and apple); with apple and --for a ControlNet also goes into that"
        " folder; comfyui makes a UNet for the nodes ComfyUI-CoreMLSuite, as a package of their"
        " name, and nothing else",
    )
    group.add_argument(
        "--install",
        action="store_true",
        help="then put the result into Mochi Diffusion's folder of models, or of ControlNets, or"
        " with --app comfyui into the models/unet of the ComfyUI that `sources add` names; never"
        " over anything else",
    )


def _converter(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("converter")
    group.add_argument(
        "--converter",
        "--backend",
        type=converter,
        default=OURS,
        metavar="NAME",
        help="upstream: Apple's own at its tested commit, unmodified, which takes an hour and 10 GB"
        " where ours takes a minute; its packages are checked and bundled like ours (default:"
        f" {OURS})",
    )
    group.add_argument(
        "--compare-upstream",
        action="store_true",
        help="convert with both, and say what differs, program by program",
    )


def _ingredients(parser: argparse.ArgumentParser) -> None:
    # Also accepts the spellings of diffusers' script, since some messages serve both commands.
    group = parser.add_argument_group("ingredients")
    group.add_argument(
        "--vae", "--vae_path", type=as_path, metavar="PATH", help="use this VAE, a folder or a file"
    )
    group.add_argument(
        "--lora",
        type=lora,
        action="append",
        default=[],
        metavar="FILE[:SCALE]",
        help="merge this LoRA into the weights; repeatable",
    )
    group.add_argument(
        "--embedding",
        type=parse_embedding,
        action="append",
        default=[],
        metavar="FILE[:NAME]",
        help="add this textual inversion as the word <NAME>; repeatable",
    )
    group.add_argument(
        "--extract-ema",
        action="store_true",
        help="take the averaged weights of a single file's UNet, where it has both",
    )
    group.add_argument(
        "--tokenizer",
        type=as_path,
        metavar="FOLDER",
        help="vocab.json and merges.txt for a single file (default: those of every Stable"
        " Diffusion, brought once from the package index)",
    )


def _shapes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("shape", argument_default=argparse.SUPPRESS)
    group.add_argument(
        "--attention",
        action="append",
        type=attention_name,
        choices=[name.value.lower().replace("_", "-") for name in ATTENTIONS],
        help="split-einsum for the Neural Engine (default), original for the GPU; repeatable",
    )
    group.add_argument(
        "--size",
        action="append",
        type=image_size,
        metavar="WxH",
        help="image size in pixels, a folder for each; repeatable (default: the model's; at most"
        f" {LARGEST} a side)",
    )
    group.add_argument(
        "--batch",
        type=positive_int,
        metavar="N",
        help="rows of the UNet: 2 (default), or 1 for less memory, in apps that then ask twice;"
        " not for SDXL and ControlNets. For comfyui 1 (default) to 64",
    )
    group.add_argument(
        "--tokens", type=positive_int, metavar="N", help="length of a prompt (default: 77)"
    )
    group.add_argument(
        "--target",
        type=target,
        metavar="SYSTEM",
        help=f"oldest system to run on: {', '.join(Target.names())} (default: macOS13)",
    )


def _programs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("programs", argument_default=argparse.SUPPRESS)
    group.add_argument(
        "--controlled",
        action="store_true",
        help="also a ControlledUnet, which takes a ControlNet's residuals; for comfyui, instead",
    )
    group.add_argument(
        "--safety-checker",
        action="store_true",
        help="also the safety checker; Apple's package runs it, Mochi Diffusion does not",
    )
    group.add_argument(
        "--refiner",
        type=as_path,
        metavar="FOLDER",
        dest="refiner_folder",
        help="also UnetRefiner, of the SDXL refiner in this diffusers folder",
    )
    group.add_argument(
        "--chunk",
        action="store_true",
        help="every UNet in two halves, for iPhones and iPads; after compression, if any",
    )
    group.add_argument(
        "--components",
        type=name_set,
        metavar="NAMES",
        help="make only these anew in the finished folder that --output names, with what else is"
        " asked for, and keep the rest: text_encoder, unet, vae_decoder, controlled_unet...",
    )
    group.add_argument(
        "--for",
        type=as_path,
        metavar="FOLDER",
        dest="beside",
        help="a ControlNet for this finished folder: of its size, attention and target",
    )


def _meaning(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("meaning", argument_default=argparse.SUPPRESS)
    group.add_argument(
        "--clip-skip",
        type=int,
        metavar="N",
        help="2 leaves out the text encoder's last block, 3 the last two (default: 1)",
    )
    group.add_argument(
        "--prediction-type",
        "--prediction_type",
        choices=[kind.value for kind in Prediction],
        dest="prediction",
        help="what the UNet predicts; a velocity is turned into noise in the program, as the apps"
        " expect (default: as the model's scheduler says)",
    )
    group.add_argument(
        "--accept-schedule",
        action="store_true",
        help="convert a model although it was trained with another noise schedule than the apps'",
    )
    group.add_argument(
        "--pad-id",
        type=whole_number,
        metavar="ID",
        help="token that the model was trained with after a prompt's end; takes the place of the"
        " app's own padding (default: as the model's tokenizer says)",
    )
    group.add_argument(
        "--latent-scale",
        type=positive_number,
        metavar="NUMBER",
        help="what the app multiplies latents with; where the VAE wants another, its programs make"
        " up for it (default: 0.18215, for SDXL 0.13025)",
    )
    group.add_argument(
        "--own-size",
        action="store_true",
        dest="states_own_size",
        help="tell SDXL's UNet the size that it is converted for; apps always say 1024x1024",
    )


def _storage(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("storage and proof")
    group.add_argument(
        "--precision",
        action="append",
        type=precision,
        default=argparse.SUPPRESS,
        metavar="[NAME=]fp16|fp32",
        help="of weights and results, for all or for one component, as vae=fp32; repeatable"
        " (default: fp16, and fp32 for an SDXL VAE that overflows it)",
    )
    group.add_argument(
        "--bits",
        type=int,
        choices=(1, 2, 3, 4, 6, 8),
        help="compress text encoders and UNets to palettes of this many bits (3: from macOS15 on)",
    )
    group.add_argument(
        "--group-size",
        type=positive_int,
        metavar="N",
        help="with --bits: a palette for each N output channels, not one for a weight (from macOS15"
        " on)",
    )
    group.add_argument(
        "--method",
        choices=METHODS,
        help="with --bits: cluster the weights (kmeans, default), equal steps, or 8-bit integers",
    )
    group.add_argument(
        "--recipe",
        type=as_path,
        dest="recipe_file",
        metavar="JSON",
        help="compress as this file says: method, bits, group_size, and bits of single layers",
    )
    group.add_argument(
        "--packages",
        choices=("keep", "drop"),
        default="keep",
        help="drop the .mlpackage files, which apps do not need: a copy of the folder is then half"
        " as large, but --components can keep nothing of it (default: keep)",
    )
    group.add_argument(
        "--full", action="store_true", help="run every program, also those whose graph is certified"
    )
