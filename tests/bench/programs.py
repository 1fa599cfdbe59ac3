"""Builds and writes full-size programs from random weights, compared with `cp` of the same bytes.

    python -m tests.bench.programs [NAME ...] [--python BUILT_ENVIRONMENT] [--dtype F16|F32]

Without NAME: the programs of SD 1.5; those of SDXL base, and their sum; and the UNet of SD 1.5 in
1, 2 and 4 sizes and in several widths. The weights are made here, without torch. Each program is
built by a new child process of the built environment, and the operating system reports its CPU
time and peak resident memory. The line `start` is the cost of starting Python and of the imports,
which every other line includes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # a child is this file itself, run by another interpreter

from tools.certify.models import (  # noqa: E402  after the path
    CLIP_L,
    OPEN_CLIP_BIG_G,
    SD1_UNET,
    SDXL_UNET,
    SDXL_VAE,
    VAE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A program to build: its component, config, and the values of `ProgramOptions`."""

    component: str
    config: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)


_PENULTIMATE = {"text_states": "penultimate"}
_SINGLE = {"precision": "fp32"}
CASES: Mapping[str, Case] = {
    "sd15-text-encoder": Case(component="text_encoder", config=CLIP_L),
    "sd15-unet": Case(component="unet", config=SD1_UNET),
    "sd15-vae-decoder": Case(component="vae_decoder", config=VAE),
    "sd15-vae-encoder": Case(component="vae_encoder", config=VAE),
    "sdxl-text-encoder": Case(component="text_encoder", config=CLIP_L, options=_PENULTIMATE),
    "sdxl-text-encoder-2": Case(
        component="text_encoder_2", config=OPEN_CLIP_BIG_G, options=_PENULTIMATE
    ),
    "sdxl-unet": Case(component="unet", config=SDXL_UNET),
    "sdxl-vae-decoder": Case(component="vae_decoder", config=SDXL_VAE, options=_SINGLE),
    "sdxl-vae-encoder": Case(component="vae_encoder", config=SDXL_VAE, options=_SINGLE),
}
LIMITS: Mapping[tuple[str, str], tuple[float, float]] = {
    ("sd15-unet", "F16"): (8.0, 256.0),
    ("sd15-unet", "F32"): (16.0, 320.0),
    ("sdxl-unet", "F16"): (25.0, 320.0),
}
"""The limits of a build (CPU seconds, peak MB), by case and by the dtype of the weight file."""

SDXL_LIMIT = 45.0
"""The limit in CPU seconds for all programs of SDXL base together."""

TRACED: Mapping[str, str] = {
    "sd15-unet": "traced, not run here: 285 CPU s, 10,400 MB",
    "sdxl-unet": "traced, not run here: does not fit 24 GB",
}
"""What the same programs cost with the converter of apple/ml-stable-diffusion, which traces.

It is not run here: it was measured once, at commit c891f43 with the pins of `tested`, on Linux
x86-64, when this project was designed.
"""

SIZES = ((64, 64), (96, 64), (64, 96), (72, 72))
"""The latent heights and widths for which one UNet is built."""

WIDTHS = (160, 256, 320)
"""Channels of a UNet's first level: the operations stay the same, the parameters increase."""
WEIGHTS = "weights.safetensors"
_CHUNK = 1 << 22
_STYLES = {"F16": "<f2", "F32": "<f4"}


def main(arguments: list[str]) -> int:
    """Run the named cases; without names, everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(CASES)}")
    parser.add_argument("--python", type=Path, default=ROOT / ".envs" / "tested" / "bin" / "python")
    parser.add_argument("--dtype", choices=_STYLES, default="F16", help="of the weights on disk")
    parser.add_argument("--bits", type=int, help="palettize with k-means to this many bits")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    given = parser.parse_args(arguments)
    bench = Bench(given.python, given.dtype, given.bits, given.folder)
    print(f"{'program':<20}{'parameters':>15}{'CPU s':>8}{'peak MB':>9}", end="")
    print(f"{'cp CPU s':>10}{'wall s':>8}")
    print(f"{'start':<20}{'':>15}{bench.start():>8.1f}", flush=True)
    spent = {name: bench.row(name) for name in given.names or CASES}
    together = [cpu for name, cpu in spent.items() if name.startswith("sdxl")]
    if len(together) == sum(name.startswith("sdxl") for name in CASES):
        print(f"SDXL base together: {sum(together):.1f} CPU s", end="  ")
        print(verdict(sum(together), 0.0, (SDXL_LIMIT, 0.0)))
    if not given.names:
        bench.sizes("sd15-unet")
        bench.widths("sd15-unet")
    return 0


def verdict(cpu: float, peak: float, most: tuple[float, float] | None) -> str:
    """Return a case's limits and whether they are met, as text; "" if it has no limits."""
    if most is None:
        return ""
    met = cpu <= most[0] and peak <= most[1]
    memory = f", {most[1]:.0f} MB" if most[1] else ""
    return f"limit {most[0]:.0f} CPU s{memory}: {'met' if met else 'MISSED'}"


class Bench:
    """Measures builds in one environment and prints the results."""

    def __init__(self, python: Path, dtype: str, bits: int | None, folder: Path | None) -> None:
        self._python, self._dtype, self._folder = python, dtype, folder
        self._recipe = {"bits": bits} if bits else None

    def start(self) -> float:
        """Return the CPU seconds of a child that builds nothing.

        This is the lower of two runs, since the first may have to read the libraries from the
        disk.
        """
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            return min(_child(self._python, "start", Path(name))[1] for _ in range(2))

    def row(self, name: str) -> float:
        """Print a case's line; return its CPU seconds."""
        case = CASES[name]
        with tempfile.TemporaryDirectory(dir=self._folder) as place:
            folder = Path(place)
            weights = prepare(case, self._python, folder, self._dtype)
            started = time.perf_counter()
            answer, cpu, peak = build(case, [case.options], self._python, folder, self._recipe)
            wall = time.perf_counter() - started
            _, copying, _ = _run(["cp", str(weights), str(folder / "copy")])
        parameters = json.loads(answer)[0]["parameters"]
        most = None if self._recipe else LIMITS.get((name, self._dtype))
        said = (verdict(cpu, peak / 1e6, most), "" if self._recipe else TRACED.get(name, ""))
        line = f"{name:<20}{parameters:>15,}{cpu:>8.1f}{peak / 1e6:>9.0f}"
        line = f"{line}{copying:>10.1f}{wall:>8.1f}  {'; '.join(filter(None, said))}"
        print(line.rstrip(), flush=True)
        return cpu

    def sizes(self, name: str) -> None:
        """Print the cost of a program in 1, 2 and 4 sizes, whose packages share one weight file."""
        case = CASES[name]
        print(f"{name} in several sizes{'':<13}{'CPU s':>8}{'MB written':>12}{'peak MB':>9}")
        with tempfile.TemporaryDirectory(dir=self._folder) as place:
            folder = Path(place)
            prepare(case, self._python, folder, self._dtype)
            for count in (1, 2, 4):
                chosen = [{**case.options, "height": h, "width": w} for h, w in SIZES[:count]]
                _, cpu, peak = build(case, chosen, self._python, folder, self._recipe)
                size = written(folder) / 1e6
                print(f"{count:>31} of them{cpu:>8.1f}{size:>12,.1f}{peak / 1e6:>9.0f}", flush=True)
                for package in folder.glob("*.mlpackage"):
                    shutil.rmtree(package)

    def widths(self, name: str) -> None:
        """Print the cost of the same graph with more and more parameters."""
        print(f"{name} in several widths{'parameters':>12}{'CPU s':>8}{'s for 10^9 more':>17}")
        least: tuple[int, float] | None = None
        for width in WIDTHS:
            with tempfile.TemporaryDirectory(dir=self._folder) as place:
                folder = Path(place)
                case = widened(CASES[name], width)
                prepare(case, self._python, folder, self._dtype)
                answer, cpu, _ = build(case, [case.options], self._python, folder, self._recipe)
            count = json.loads(answer)[0]["parameters"]
            slope = (cpu - least[1]) / (count - least[0]) * 1e9 if least else None
            told = "" if slope is None else f"{slope:>17.1f}"
            print(f"{width:>18} channels{count:>18,}{cpu:>8.1f}{told}", flush=True)
            least = least or (count, cpu)


def widened(case: Case, width: int) -> Case:
    """Return a case whose UNet has `width` channels in level 1, and the others in proportion."""
    channels = case.config["block_out_channels"]
    wider = [width * extent // channels[0] for extent in channels]
    return replace(case, config={**case.config, "block_out_channels": wider})


def prepare(case: Case, python: Path, folder: Path, dtype: str = "F16") -> Path:
    """Write a case's config and random weights into a folder; return the path of the weights."""
    (folder / "config.json").write_text(json.dumps(case.config), encoding="utf-8")
    shapes = json.loads(_child(python, "declare", folder, case.component)[0])
    write_random(folder / WEIGHTS, shapes, dtype)
    return folder / WEIGHTS


def build(
    case: Case,
    options: Sequence[Mapping[str, Any]],
    python: Path,
    folder: Path,
    recipe: Mapping[str, Any] | None = None,
) -> tuple[str, float, int]:
    """Build a prepared case once for each of `options`, as `0.mlpackage`, `1.mlpackage` ...

    Returns the builder's result, its CPU seconds, and its peak memory in bytes.
    """
    programs = [
        {
            "component": case.component,
            "package": str(folder / f"{number}.mlpackage"),
            "options": chosen,
            "recipe": recipe,
        }
        for number, chosen in enumerate(options)
    ]
    return _child(python, "build", folder, json.dumps(programs))


def written(folder: Path) -> int:
    """Return the size in bytes of all packages in a folder; hard links count once."""
    files = [path.stat() for path in folder.glob("*.mlpackage/**/*") if path.is_file()]
    return sum({(it.st_dev, it.st_ino): it.st_size for it in files}.values())


def _child(python: Path, task: str, folder: Path, *more: str) -> tuple[str, float, int]:
    return _run([str(python), str(Path(__file__).resolve()), "--child", task, str(folder), *more])


def _run(command: list[str]) -> tuple[str, float, int]:
    """Run a process; return its stdout, CPU seconds and peak resident memory in bytes."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def write_random(path: Path, shapes: Mapping[str, list[int]], dtype: str) -> None:
    """Write a safetensors file of tensors with these shapes.

    Its values are small normal numbers, drawn once and repeated.
    """
    import numpy as np

    style = np.dtype(_STYLES[dtype])
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape) * style.itemsize
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    noise = (np.random.default_rng(0).standard_normal(_CHUNK, np.float32) * 0.02).astype(style)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            left = math.prod(shape)
            while left:
                left -= file.write(noise[: min(left, _CHUNK)].tobytes()) // style.itemsize


def child(task: str, folder: Path, *more: str) -> None:
    """Run the part that needs the built environment."""
    from sdcoreml.convert.programs import draw
    from sdcoreml.convert.tasks.build import task as builder
    from sdcoreml.ground.events import silent

    if task == "declare":
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        print(json.dumps(dict(draw(more[0], config).graph.declared)))
    if task == "build":
        request = {
            "config": str(folder / "config.json"),
            "weights": str(folder / WEIGHTS),
            "programs": json.loads(more[0]),
        }
        print(json.dumps(builder({"components": [request]}, silent)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
    else:
        sys.exit(main(sys.argv[1:]))
