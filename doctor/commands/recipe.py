"""`sdcoreml recipe`: chooses bits for each layer by how much rounding it changes the output.

Each layer of the program is rounded to 4 bits alone, and the mean squared change of the output is
measured: on noise of a few latent pixels, at the first and the last step of a schedule. The effect
of other bit widths is estimated from the rounding error of the weights.

The resulting file can be shared. `sdcoreml convert --recipe FILE` applies it to the model, or to
another one of the same architecture.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.convert.bundle.families import programs_of
from sdcoreml.convert.compression.recipe import WHOLE, palette_bits
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.options import COMPRESSED
from sdcoreml.convert.jobs.plan import default_options
from sdcoreml.convert.models.files import CONFIG_NAME
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.models.merge import merge_component
from sdcoreml.convert.programs.options import Attention, Target
from sdcoreml.convert.worker import Runner, Worker
from sdcoreml.doctor.commands.convert_environment import require_torch
from sdcoreml.doctor.commands.convert_values import target
from sdcoreml.doctor.commands.pages import require_page, write_page
from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.doctor.report.recipe_page import Measured, recipe_page
from sdcoreml.doctor.report.terminal import draw
from sdcoreml.envs.building.build import build
from sdcoreml.ground.advice import command
from sdcoreml.ground.aside import file_aside, scratch_beside
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.events import Emit
from sdcoreml.ground.outputs import require_beginning
from sdcoreml.ground.page import Page
from sdcoreml.ground.places import as_path
from sdcoreml.lockfiles.toolchain import load_toolchain

_HEAD = b'{\n "bits": '
"""The first bytes of every recipe file that we write; its keys are sorted."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", type=as_path, help="a diffusers folder")
    parser.add_argument(
        "--target-bits",
        type=float,
        default=4.5,
        metavar="N",
        help="bits for each weight, on average (default: 4.5)",
    )
    parser.add_argument(
        "--component",
        choices=sorted(COMPRESSED - {"controlled_unet"}),
        default="unet",
        help="which program (default: unet): each of its layers is rounded to 4 bits by itself, and"
        " the change of the output measured, for noise of a few latent pixels at the first and the"
        " last step; the other programs get --bits",
    )
    parser.add_argument(
        "--bits",
        type=int,
        choices=(*palette_bits(Target.MACOS13.specification), WHOLE),
        default=8,
        help="for programs that are not measured (default: 8)",
    )
    parser.add_argument(
        "--target",
        type=target,
        default=Target.MACOS13,
        metavar="SYSTEM",
        help="oldest system to run on, as for convert: from macOS15 on, layers may get 3 bits",
    )
    parser.add_argument("-o", "--output", type=as_path, default=Path("recipe.json"), metavar="JSON")
    parser.add_argument(
        "--html",
        type=as_path,
        metavar="FILE",
        help="write a page about the layers, too",
    )
    add_toolchain(parser)


def run(args: argparse.Namespace, runner: Runner | None = None) -> int:
    """Measure one program of a model and write the recipe."""
    if not 1 <= args.target_bits <= WHOLE:
        raise UsageError(f"from 1 to {WHOLE}", where="--target-bits")
    toolchain = load_toolchain(args.toolchain)
    require_torch(toolchain, "measuring layers", args)
    model = open_model(args.model)
    require_beginning(args.output, _HEAD, "recipe that this command wrote")
    if args.html:
        require_page(args.html)
    # Check that the file can be written before measuring for minutes.
    with file_aside(args.output) as descriptor, open(descriptor, "wb", closefd=False) as file:
        with draw() as emit:
            worker = runner or Worker(python=build(toolchain, emit=emit).python)
            found = measure(model, args, worker, emit)
        recipe = {
            "method": "kmeans",
            "bits": args.bits,
            "programs": {args.component: {"bits": 16, "layers": found.layers}},
        }
        file.write((json.dumps(recipe, indent=1, sort_keys=True) + "\n").encode())
    if args.html:
        write_page(page(args, found, model.path.resolve().name).encode(), args.html)
    print(summary(args, found))
    return 0


def page(args: argparse.Namespace, found: Sensitivity, model: str) -> Page:
    """Return the page of a recipe."""
    return recipe_page(
        Measured(
            model=model,
            component=args.component,
            layers=found.layers,
            average=found.average,
            psnr=found.psnr,
            uniform=found.uniform,
            effects=found.effects,
            elements=found.elements,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """The chosen bits, for each layer and on average, and the resulting PSNR of the output in dB.

    `psnr` is with these bits; `uniform` is with the same number of bits for all layers. `effects`
    are the mean squared changes of the output, relative to its variance, if one layer alone has 4
    bits; `elements` are the numbers of weights.
    """

    layers: Mapping[str, int]
    average: float
    psnr: float
    uniform: Mapping[str, float]
    effects: Mapping[str, float] = field(default_factory=dict)
    elements: Mapping[str, int] = field(default_factory=dict)


def measure(model: Model, args: argparse.Namespace, runner: Runner, emit: Emit) -> Sensitivity:
    """Run the task `sensitivity` for one program.

    Raises:
        UsageError: the model has no such program.
    """
    usual = default_options(model)
    options = replace(usual, attention=Attention.ORIGINAL, target=args.target)
    parts = {part.program: part for part in programs_of(model)}
    if args.component not in parts:
        raise UsageError(f"{model.path} has {', '.join(parts)}", where="--component")
    part = parts[args.component]
    component = model.components[part.source]
    with scratch_beside(args.output) as scratch:
        request = {
            "component": part.program,
            "config": str((component.folder / CONFIG_NAME).resolve()),
            "weights": str(merge_component(component, scratch, emit).resolve()),
            "options": options.for_program(part).as_json(),
            "bits": args.target_bits,
        }
        answer = runner.run("sensitivity", request, emit)
    return from_plain(Sensitivity, answer.value)


def summary(args: argparse.Namespace, found: Sensitivity) -> str:
    """Return as text what the mixed bits gain over uniform ones."""
    uniform = ", ".join(f"{psnr} dB with {bits} bits" for bits, psnr in found.uniform.items())
    more = () if args.target is Target.MACOS13 else ("--target", args.target.value)
    return (
        f"{args.output}: {len(found.layers)} layers of the {args.component},"
        f" {found.average:.2f} bits on average\n"
        f"on noise at a few latent pixels its output keeps {found.psnr} dB of the model's;"
        f" uniform {uniform}\n"
        f"apply it with: {command('convert', 'MODEL', '--recipe', args.output, *more)}"
    )
