"""`make bench ARGS=comfy`: UNets for ComfyUI in the hands of their client, beside its own.

The client is coreml-diffusion from the package index, unmodified: its class for a UNet calls
`MLModel`, which only macOS has, and is answered here by our interpreter. A sampler of diffusers
draws with that class, with our packages and with those that its own converter made of the same
weights. The final latents are compared with those of diffusers' module in float32, and the two
converters' packages picture by picture: of equal noise, how many dB ours is nearer. What each
conversion takes is measured in its own process, also at full size (`--full`), where nothing is
drawn.

It needs Python 3.12 and a large torch, in an environment of its own, which is made once.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.worker import Worker
from sdcoreml.ground.places import ROOT
from tests.bench.narrow import ATTENTIONS, SUBJECTS
from tools.certify.models import LCM_UNET, SD1_UNET, SD2_UNET, SDXL_UNET
from tools.certify.specimen import write_specimen

CLIENT = (
    "coreml-diffusion==0.1.6",
    "diffusers==0.35.2",
    "transformers==4.55.4",
    "peft==0.17.1",
    "huggingface-hub<1",
    "psutil",
)
"""The client, with versions of what it leaves open: of the newest, pip finds no set that fits."""

FP16_FLOOR = 65.0


CERTAIN = 2.0
"""From this many standard errors on, a mean difference is not taken for chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A model to convert and to draw with: its family in `narrow`, and the client's word for it.

    `full` is its config at full size.
    """

    family: str
    version: str
    batch: int
    options: Mapping[str, Any]
    changes: Mapping[str, Any]
    full: Mapping[str, Any]


ROWS: Mapping[str, Row] = {
    "SD 1.5": Row(family="SD 1.x", version="SD15", batch=2, options={}, changes={}, full=SD1_UNET),
    "SD 2.1, velocity": Row(
        family="SD 2.x",
        version="SD15",
        batch=2,
        options={"prediction": "v_prediction"},
        changes={},
        full=SD2_UNET,
    ),
    "SDXL": Row(
        family="SDXL",
        version="SDXL",
        batch=2,
        options={},
        # Of the depth 10, the client's converter makes graphs that it optimises for ten minutes.
        changes={"transformer_layers_per_block": [1, 2, 2]},
        full=SDXL_UNET,
    ),
    "LCM": Row(
        family="SD 1.x",
        version="LCM",
        batch=1,
        options={},
        changes={"time_cond_proj_dim": 256},
        full=LCM_UNET,
    ),
}


def main() -> int:
    """Convert, draw and compare; return 1 if the client refuses a package or a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.comfy", description=__doc__)
    parser.add_argument("models", nargs="*", default=[*ROWS], help=f"of {', '.join(ROWS)}")
    parser.add_argument("--attention", choices=ATTENTIONS, default="SPLIT_EINSUM")
    parser.add_argument("--python", help="the Python of an environment that has the client")
    parser.add_argument("--size", type=int, default=24, help="side of the latents (default: 24)")
    parser.add_argument("--steps", type=int, default=3, help="steps of the sampler (default: 3)")
    parser.add_argument("--seeds", type=int, default=6, help="pictures (default: 6)")
    parser.add_argument(
        "--full", action="store_true", help="only convert, at full size for 512x512 pixels"
    )
    args = parser.parse_args()
    client = args.python or bring(ROOT / "build" / "comfy-client")
    failed = False
    shape = {
        "attention": args.attention,
        "size": 64 if args.full else args.size,
        "steps": args.steps,
        "seeds": 0 if args.full else args.seeds,
    }
    for name in args.models:
        with tempfile.TemporaryDirectory() as folder:
            said = measure(ROWS[name], Path(folder), client, shape)
        ours, theirs = said["ours"], said["theirs"]
        print(f"{name}: ours {told(ours)}; its own {told(theirs)}", flush=True)
        if args.full:
            continue
        failed |= not ours.get("accepted") or min(ours["psnr"]) < FP16_FLOOR
        if "error" not in theirs:
            found = Paired.of(ours["psnr"], theirs["psnr"])
            step = Paired.of(ours["step"], theirs["step"])
            print(f"{name}: ours is nearer by {found} after the sampler, {step} in a step")
            failed |= found.is_further
    return int(failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """How many dB nearer to torch our pictures are than the client's of the same noise."""

    mean: float
    error: float
    count: int

    @staticmethod
    def of(ours: Sequence[float], theirs: Sequence[float]) -> Paired:
        """Compare two figures of each picture."""
        found = [one - other for one, other in zip(ours, theirs, strict=True)]
        spread = statistics.stdev(found) if len(found) > 1 else math.inf
        error = spread / len(found) ** 0.5
        return Paired(mean=statistics.fmean(found), error=error, count=len(found))

    @property
    def is_further(self) -> bool:
        """Whether ours are further from torch, by more than chance."""
        return self.mean < -CERTAIN * self.error

    def __str__(self) -> str:
        return f"{self.mean:+.2f} dB (standard error {self.error:.2f}, {self.count} pictures)"


def told(said: Mapping[str, Any]) -> str:
    """Return one converter's figures in words."""
    if "error" in said:
        return f"failed: {said['error']}"
    cost = f"conversion {said['cpu']:.1f} CPU s and {said['memory'] / 1e6:,.0f} MB"
    if not said.get("psnr"):
        return cost
    after, step = spread(said["psnr"]), spread(said["step"])
    return f"{after} from torch after the sampler, {step} in a step, {cost}"


def spread(figures: Sequence[float]) -> str:
    """Return the mean of figures in dB, and the lowest and highest."""
    mean = sum(figures) / len(figures)
    return f"{mean:.1f} dB ({min(figures):.1f} to {max(figures):.1f})"


def measure(row: Row, folder: Path, client: str, shape: Mapping[str, Any]) -> Mapping[str, Any]:
    """Convert with both, and let the client draw with both results, if pictures are wanted."""
    size, attention = shape["size"], shape["attention"]
    config = {**_config(row.family), **row.changes} if shape["seeds"] else row.full
    known = {name: one for name, one in config.items() if name != "time_cond_proj_dim"}
    shapes = dict(parameters("UNet2DConditionModel", known) or {})
    if width := config.get("time_cond_proj_dim"):
        shapes["time_embedding.cond_proj.weight"] = (config["block_out_channels"][0], width)
    (folder / "config.json").write_text(json.dumps(config))
    write_specimen(folder / "weights.safetensors", shapes)
    options = {"height": size, "width": size, "attention": attention, "batch": row.batch}
    program = {
        "component": "unet",
        "package": str(folder / "ours.mlpackage"),
        "options": {**options, **row.options, "runtime": "comfyui"},
    }
    component = {
        "config": str(folder / "config.json"),
        "weights": str(folder / "weights.safetensors"),
        "programs": [program],
    }
    made = Worker(python=Path(sys.executable)).run("build", {"components": [component]})
    asked = {
        "folder": str(folder),
        "version": row.version,
        "batch": row.batch,
        **shape,
        "prediction": row.options.get("prediction", "epsilon"),
    }
    theirs = _ask(client, "convert", asked)
    said: dict[str, Any] = {"ours": {}, "theirs": theirs}
    if shape["seeds"]:
        said = {**_ask(client, "draw", asked, theirs)}
    built: Any = made.value
    said["ours"] = {**said["ours"], "cpu": built[0]["cpu"], "memory": made.peak_memory}
    return said


def _config(family: str) -> Mapping[str, Any]:
    return next(
        one.config for one in SUBJECTS if one.family.startswith(family) and one.component == "unet"
    )


def _ask(
    client: str, task: str, asked: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """Run a task of `comfy_client` with the client's Python; return its answer."""
    request = json.dumps({**asked, "task": task, "before": before or {}})
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [client, "-B", "-m", "tests.bench.comfy_client", request]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:  # until then, the client's bars and warnings are nobody's concern
        sys.exit(f"{done.stderr}error: the client ended with {done.returncode}")
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def bring(folder: Path) -> str:
    """Return the Python of the client's environment, which is made if it is not there."""
    python = folder / "bin" / "python"
    if not (folder / "complete").is_file():
        subprocess.run([_python(), "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *CLIENT], check=True)
        (folder / "complete").touch()
    return str(python)


def _python() -> str:
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(versions.glob("3.12*/bin/python"))
    if not found and (on_path := shutil.which("python3.12")):
        return on_path
    if not found:
        sys.exit("error: the client needs Python 3.12; pyenv install 3.12")
    return str(found[-1])


if __name__ == "__main__":
    sys.exit(main())
