"""`sdcoreml recipe`: bits for each layer by what its rounding does to the output, as a file.

The file can be shared and applied to the model, or to one of the same architecture, with
`sdcoreml convert --recipe FILE`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convert.allotment import STEPS
from convert.models.layout import CONFIG_NAME, Model
from convert.models.merge import merge_component
from convert.opening import open_model
from convert.options import COMPRESSED, program_options
from convert.plan import plan
from convert.weights.aside import file_aside
from convert.worker import Runner, Worker
from doctor.errors import UsageError
from doctor.terminal import draw
from envs.build import build
from envs.events import Emit
from lockfiles.toolchain import load_toolchain


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", type=Path, help="a diffusers folder")
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
        help="which program (default: unet); the others get --bits",
    )
    parser.add_argument(
        "--bits",
        type=int,
        choices=STEPS,
        default=8,
        help="for programs that are not measured (default: 8)",
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("recipe.json"), metavar="JSON")
    parser.add_argument(
        "--toolchain", default=os.environ.get("TOOLCHAIN") or "tested", help="default: tested"
    )


def run(args: argparse.Namespace, runner: Runner | None = None) -> int:
    """Measure one program of a model and write the recipe."""
    if not STEPS[0] <= args.target_bits <= STEPS[-1]:
        raise UsageError(f"--target-bits: from {STEPS[0]} to {STEPS[-1]}")
    model = open_model(args.model)
    with draw() as emit:
        worker = runner or Worker(python=build(load_toolchain(args.toolchain), emit=emit).python)
        found = measured(model, args, worker, emit)
    recipe = {
        "method": "kmeans",
        "bits": args.bits,
        "programs": {args.component: {"bits": 16, "layers": found["layers"]}},
    }
    text = json.dumps(recipe, indent=1, sort_keys=True) + "\n"
    with file_aside(args.output) as descriptor, open(descriptor, "wb", closefd=False) as file:
        file.write(text.encode())
    print(summary(args.output, args.component, found))
    return 0


def measured(
    model: Model, args: argparse.Namespace, runner: Runner, emit: Emit
) -> Mapping[str, Any]:
    """What the task "sensitivity" answers for one program.

    Raises:
        UsageError: the model has no such program.
    """
    job = plan(model, None, "ORIGINAL", {})
    parts = {part.program: part for part in job.parts}
    if args.component not in parts:
        raise UsageError(f"--component: {model.path} has {', '.join(parts)}")
    part = parts[args.component]
    component = model.components[part.source]
    with tempfile.TemporaryDirectory(prefix=".recipe.", dir=args.output.parent) as scratch:
        request = {
            "component": part.program,
            "config": str((component.folder / CONFIG_NAME).resolve()),
            "weights": str(merge_component(component, Path(scratch), emit).resolve()),
            "options": program_options(job.options, part),
            "bits": args.target_bits,
        }
        answer: Mapping[str, Any] = runner.run("sensitivity", request, emit).value
    return answer


def summary(path: Path, component: str, found: Mapping[str, Any]) -> str:
    """What the mixture is worth, for people."""
    uniform = ", ".join(f"{psnr} dB with {bits} bits" for bits, psnr in found["uniform"].items())
    return (
        f"{path}: {len(found['layers'])} layers of the {component}, {found['average']:.2f} bits on"
        f" average: {found['psnr']} dB; uniform {uniform}\n"
        f"apply it with: sdcoreml convert MODEL --recipe {path}"
    )
