"""Compresses the full UNet of SD 1.5, and compares our palettes with those of coremltools.

    python -m tests.bench.compress [NAME ...] [--python BUILT_ENVIRONMENT] [--folder FOLDER]

First part: for each way to compress, a new child process of the built environment builds,
compresses and writes the UNet, with 859,520,964 random float16 weights. The operating system
reports the child's CPU time and peak resident memory.

Second part: palettes of single tensors, which have the shapes of some of the UNet's layers and one
of three distributions. Our clustering and coremltools' `palettize_weights` are compared by two
figures: CPU seconds per million numbers, from the tensor to packed codes, and the ratio (ours to
theirs) of the sums of squared differences between the tensor and its decoded codes. coremltools
also finds the exact optimum, so the best possible ratio is 1; rounding the entries to float16 can
change it in the sixth digit.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.bench.programs import CASES, ROOT, _run, build, prepare, verdict, written

if TYPE_CHECKING:
    import numpy as np

    Finder: TypeAlias = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

NEWER = {"target": "macOS15"}
WAYS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "none": ({}, {}),
    "kmeans-6": ({"bits": 6}, {}),
    "kmeans-4": ({"bits": 4}, {}),
    "kmeans-4-of-32": ({"bits": 4, "group_size": 32}, NEWER),
    "kmeans-4-of-16": ({"bits": 4, "group_size": 16}, NEWER),
    "uniform-6": ({"bits": 6, "method": "uniform"}, {}),
    "linear-8": ({"bits": 8, "method": "linear"}, {}),
}
"""Ways to compress, by name: a recipe (bits, method, channels per palette) and program options."""

LIMITS: Mapping[str, tuple[float, float]] = {
    "kmeans-6": (60.0, 512.0),
    "kmeans-4-of-16": (120.0, 512.0),
    "kmeans-4-of-32": (120.0, 512.0),
}
"""The limits for a name of `WAYS`: CPU seconds, and peak memory in MB."""

SHAPES = ((320, 320, 3, 3), (320, 320, 1, 1), (1280, 1280, 3, 3), (2560, 320, 1, 1))
SPREADS = ("normal", "laplace", "uniform")
WIDTHS = (2, 4, 6)
WORSE = 1.0002
"""Up to this ratio of errors (a thousandth of a dB), two palettes count as equally good."""


def main(arguments: list[str]) -> int:
    """Measure the named ways to compress (default: all), and compare palettes with coremltools."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(WAYS)}, palettes")
    parser.add_argument("--python", type=Path, default=ROOT / ".envs" / "tested" / "bin" / "python")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    given = parser.parse_args(arguments)
    names = given.names or [*WAYS, "palettes"]
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        if wanted := [name for name in names if name in WAYS]:
            whole(wanted, given.python, Path(folder))
        if "palettes" in names:
            beside_coremltools(given.python)
    return 0


def whole(names: list[str], python: Path, folder: Path) -> None:
    """Build the UNet in each of the named ways, and print what it cost."""
    case = CASES["sd15-unet"]
    prepare(case, python, folder)
    print(f"{'the UNet of SD 1.5':<20}{'CPU s':>8}{'peak MB':>9}{'wall s':>8}{'MB':>8}")
    for name in names:
        recipe, options = WAYS[name]
        started = time.perf_counter()
        _, cpu, peak = build(case, [options], python, folder, recipe)
        wall = time.perf_counter() - started
        size = written(folder) / 1e6
        line = f"{name:<20}{cpu:>8.1f}{peak / 1e6:>9.0f}{wall:>8.1f}{size:>8.0f}"
        print(f"{line}  {verdict(cpu, peak / 1e6, LIMITS.get(name))}".rstrip(), flush=True)


def beside_coremltools(python: Path) -> None:
    """Compare our palettes with coremltools' on the same tensors."""
    print(f"\n{'CPU s a million':<34}{'ours':>8}{'theirs':>8}{'error, ours over theirs':>26}")
    start = (
        f"import sys; sys.path.append({str(ROOT)!r});"
        " from tests.bench.compress import child; child()"
    )
    worst = 0.0
    for bits in WIDTHS:
        for shape in SHAPES:
            for spread in SPREADS:
                about = json.dumps({"bits": bits, "shape": shape, "spread": spread})
                ours, theirs = (
                    json.loads(_run([str(python), "-c", start, who, about])[0]) for who in TASKS
                )
                ratio = ours["error"] / theirs["error"]
                worst = max(worst, ratio)
                million = math.prod(shape) / 1e6
                name = f"{bits} bits, {'x'.join(map(str, shape))} {spread}"
                times = f"{ours['cpu'] / million:>8.3f}{theirs['cpu'] / million:>8.3f}"
                print(f"{name:<34}{times}{ratio:>26.6f}", flush=True)
    met = "met" if worst <= WORSE else "MISSED"
    print(f"error at most {worst:.6f} of coremltools', limit {WORSE}: {met}")


def child() -> None:
    """Compress one tensor in the built environment; print CPU seconds and squared error as JSON."""
    who, about = sys.argv[1], json.loads(sys.argv[2])
    values = tensor(about["shape"], about["spread"])
    find = TASKS[who](about["bits"])
    started = time.process_time()
    palette, codes = find(values)
    cpu = time.process_time() - started
    found = palette.astype("f8")[codes].reshape(values.shape)
    error = float(((found - values.astype("f8")) ** 2).sum())
    print(json.dumps({"cpu": cpu, "error": error}))


def tensor(shape: list[int], spread: str) -> np.ndarray:
    """Return random float16 numbers, about as large as the weights of a model."""
    import numpy as np

    generator, count = np.random.default_rng(0), math.prod(shape)
    drawn: Mapping[str, Callable[[], np.ndarray]] = {
        "normal": lambda: generator.standard_normal(count),
        "laplace": lambda: generator.laplace(size=count),
        "uniform": lambda: generator.uniform(-1.7, 1.7, count),
    }
    return (drawn[spread]() * 0.03).astype(np.float16).reshape(shape)


def ours(bits: int) -> Finder:
    """Compress a weight like `convert.compression.forms`: histogram, palette, codes."""
    from sdcoreml.convert.compression.clustering import cluster
    from sdcoreml.convert.compression.palette import code_table, histogram, pack

    def find(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = values.reshape(-1)
        palette = cluster(histogram([flat]), 1 << bits)
        codes = code_table(palette)[flat.view("u2")]
        pack(codes, bits)
        return palette, codes

    return find


def theirs(bits: int) -> Finder:
    """Compress a weight with coremltools' own palettization."""
    from tests.inside.convert.alone import import_coremltools

    import_coremltools()
    from coremltools.optimize.coreml._quantization_passes import palettize_weights

    def find(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from sdcoreml.convert.storage.elements import unpack

        found = palettize_weights.compress(values, "KMEANS", bits)
        return found.lut, unpack(found.indices, bits, values.size)

    return find


TASKS: Mapping[str, Callable[[int], Finder]] = {
    "ours": ours,
    "theirs": theirs,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
