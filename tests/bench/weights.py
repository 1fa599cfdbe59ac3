"""Measures copying, hashing and casting of a sharded checkpoint, against `cp` of the same bytes.

    python -m tests.bench.weights [--model small|sd15|sdxl] [--rounds N] [--torch PYTHON]

The checkpoint is made here, without torch: a UNet's tensors in pickled shards with an index. Every
figure is the median of all rounds. Each command runs in a new child process, and the operating
system reports its CPU time and peak resident memory. When our time ends, our files are on the
disk; those of `cp` may still be in the system's cache.

With --torch, torch.load and safetensors do the same work in that interpreter, and their file is
compared with ours. Below the table, each limit of the project is printed, and whether it is met.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.ground.digest import sha256
from tools.certify.models import SD1_UNET, SDXL_UNET

ROOT = Path(__file__).resolve().parents[2]
MODELS = {
    "small": {**SD1_UNET, "block_out_channels": [64, 128, 256, 256]},
    "sd15": SD1_UNET,
    "sdxl": SDXL_UNET,
}
SHARD = 1_900_000_000
"""The size of a shard in bytes: below 2 GiB, since PyTorch cannot read zipfile's zip64 offsets."""
DIRECT = """
import argparse, sys
from sdcoreml.doctor.commands import weights
parser = argparse.ArgumentParser()
weights.configure(parser)
sys.exit(weights.run(parser.parse_args()))
"""
PLAN = """
import sys, pathlib
from sdcoreml.convert.weights.source import open_checkpoint
open_checkpoint(pathlib.Path(sys.argv[1]))
"""
HASH = """
import sys, pathlib
from tools.certify.models import SD1_UNET, SDXL_UNET
from sdcoreml.ground.digest import sha256
for shard in sys.argv[1:]:
    sha256(pathlib.Path(shard))
"""
TORCH = """
import sys, torch
from safetensors.torch import save_file
*shards, out = sys.argv[2:]
tensors = {}
for shard in shards:
    tensors.update(torch.load(shard, mmap=sys.argv[1] == "mmap", weights_only=True))
save_file(tensors, out, metadata={"format": "pt"})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of one run: CPU and wall-clock seconds, peak resident memory in bytes."""

    cpu: float
    wall: float
    rss: int


def make_checkpoint(folder: Path, config: Mapping[str, object], dtype: str = "float32") -> None:
    """Write pickled shards of a UNet's tensors, of torch's type `dtype`, and their index."""
    import numpy as np

    shapes = parameters("UNet2DConditionModel", config) or {}
    drawn = np.random.default_rng(0).standard_normal(1 << 22, dtype="f4")
    numbers = drawn.tobytes() if dtype == "float32" else (drawn * 0.02).astype(dtype).tobytes()
    itemsize = np.dtype(dtype).itemsize
    runs: list[dict[str, tuple[int, ...]]] = [{}]
    for name, shape in shapes.items():
        if itemsize * sum(math.prod(other) for other in (*runs[-1].values(), shape)) > SHARD:
            runs.append({})
        runs[-1][name] = shape
    where: dict[str, str] = {}
    for number, run in enumerate(runs, 1):
        shard = folder / f"diffusion_pytorch_model-{number:05d}-of-{len(runs):05d}.bin"
        write_shard(shard, run, numbers, dtype)
        where |= dict.fromkeys(run, shard.name)
    index = folder / "diffusion_pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))


def write_shard(
    path: Path, shapes: Mapping[str, tuple[int, ...]], numbers: bytes, dtype: str
) -> None:
    """Write a zip file like torch.save's; `numbers` are repeated to fill its tensors."""
    # As above: this helper imports numpy.
    from tests.convert.weights.torch_files import (
        finished,
        mapping,
        storage,
        tensor,
    )

    described = {
        name: tensor(storage(str(key), dtype, math.prod(shape)), shape)
        for key, (name, shape) in enumerate(shapes.items())
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", finished(mapping(described)))
        archive.writestr("archive/version", b"3\n")
        for key, shape in enumerate(shapes.values()):
            info = zipfile.ZipInfo(f"archive/data/{key}")
            start = path.stat().st_size if archive.fp is None else archive.fp.tell()
            padding = -(start + 34 + len(info.filename)) % 64
            info.extra = struct.pack("<2H", 0x4246, padding) + bytes(padding)
            left = math.prod(shape) * {"float16": 2, "float32": 4}[dtype]
            with archive.open(info, "w") as member:
                while left:
                    left -= member.write(numbers[:left])


def measure(command: Sequence[str | Path]) -> Cost:
    """Run `command` to its end and return its cost; raise `RuntimeError` if it fails.

    On Linux, a child's peak memory starts at that of its parent, so this process must stay small.
    """
    arguments = [str(word) for word in command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    os.sync()
    began = time.monotonic()
    quiet = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    child = os.posix_spawnp(arguments[0], arguments, environment, file_actions=quiet)
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - began
    if status:
        raise RuntimeError(f"failed: {' '.join(arguments)}")
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return Cost(cpu=usage.ru_utime + usage.ru_stime, wall=wall, rss=usage.ru_maxrss * kilobyte)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit on one figure of a row: an upper limit, or with `at_least` a lower one."""

    row: str
    what: str
    found: float
    allowed: float
    at_least: bool = False

    def __str__(self) -> str:
        is_met = self.found >= self.allowed if self.at_least else self.found <= self.allowed
        sign = ">=" if self.at_least else "<="
        word = "met" if is_met else "MISSED"
        return f"  {word:<6} {self.row}: {self.what} {self.found:.2f} {sign} {self.allowed:.2f}"


def limits(costs: Mapping[str, Cost], size: int) -> Iterator[Limit]:
    """Yield the limits for copying, hashing, casting and planning, with the measured figures.

    `costs` are the medians by row; `size` is the checkpoint's size in bytes.
    """
    cp, gigabytes, megabyte = costs["cp"], size / 1e9, 1e6
    bounds: Mapping[str, Mapping[str, float]] = {
        "plan": {"CPU s": 0.3},
        "copy": {"CPU s": 1.15 * cp.cpu + 0.3, "s": 1.25 * cp.wall + 0.5, "MB": 32},
        "copy, sha256": {"CPU s": 2.6 * cp.cpu, "MB": 40},
        # It would be 0.6 if numpy used the processor's own instruction for float16.
        "cast to float16": {"CPU s": 2.6 * gigabytes, "MB": 64},
    }
    for row, allowed in bounds.items():
        cost = costs[row]
        found = {"CPU s": cost.cpu, "s": cost.wall, "MB": cost.rss / megabyte}
        for what, most in allowed.items():
            yield Limit(row=row, what=what, found=found[what], allowed=most)
    for row, times in {"torch.load(mmap)": 3.0, "torch.load": 8.0}.items():
        if row in costs:
            ratio = costs[row].cpu / costs["copy"].cpu
            yield Limit(row=row, what="x copy", found=ratio, allowed=times, at_least=True)


def commands(
    index: Path, shards: Sequence[Path], folder: Path, torch: Path | None
) -> dict[str, list[str | Path]]:
    """Return the commands to measure, by name; `folder` is emptied after each."""
    out = folder / "out.safetensors"
    ours: list[str | Path] = [sys.executable, "-c", DIRECT, index, out]
    found: dict[str, list[str | Path]] = {
        "cp": ["cp", *shards, folder],
        "plan": [sys.executable, "-c", PLAN, index],
        "copy": ours,
        "hash alone": [sys.executable, "-c", HASH, *shards],
        "copy, sha256": [*ours, "--sha256"],
        "cast to float16": [*ours, "--dtype", "float16"],
    }
    if torch:
        found["torch.load(mmap)"] = [torch, "-c", TORCH, "mmap", *shards, out]
        found["torch.load"] = [torch, "-c", TORCH, "read", *shards, out]
    return found


def main() -> int:
    """Measure all commands and print a table of the results."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.weights")
    parser.add_argument("--model", choices=tuple(MODELS), default="small")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--torch", type=Path, metavar="PYTHON", help="an interpreter with torch")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_checkpoint(options.make, MODELS[options.model])
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        maker = [sys.executable, "-m", "tests.bench.weights", "--make", place]
        subprocess.run([*maker, "--model", options.model], check=True, cwd=ROOT)
        index = folder / "diffusion_pytorch_model.bin.index.json"
        shards = sorted(folder.glob("*.bin"))
        size = sum(shard.stat().st_size for shard in shards)
        sys.stdout.write(f"{options.model}: {size / 1e9:.2f} GB, {options.rounds} rounds\n")
        costs: dict[str, list[Cost]] = {}
        written: dict[str, str] = {}
        for _ in range(options.rounds):
            scratch = folder / "scratch"
            for name, command in commands(index, shards, scratch, options.torch).items():
                scratch.mkdir()
                costs.setdefault(name, []).append(measure(command))
                if options.torch and name in ("copy", "torch.load") and name not in written:
                    written[name] = sha256(scratch / "out.safetensors")
                shutil.rmtree(scratch)
        report({name: median(found) for name, found in costs.items()}, size)
        if written:
            same = len(set(written.values())) == 1
            sys.stdout.write(f"  {'met' if same else 'MISSED':<6} our file equals torch's\n")
    return 0


def median(found: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(
        cpu=statistics.median(cost.cpu for cost in found),
        wall=statistics.median(cost.wall for cost in found),
        rss=round(statistics.median(cost.rss for cost in found)),
    )


def report(costs: Mapping[str, Cost], size: int) -> None:
    """Print a line for each command, with CPU time relative to cp's, then one for each limit."""
    base = costs["cp"].cpu
    for name, cost in costs.items():
        rate = "" if name == "plan" else f"{size / 1e9 / cost.wall:5.2f} GB/s"
        sys.stdout.write(
            f"  {name:<18} {cost.cpu:7.2f} CPU s  {cost.cpu / base:5.2f} x cp  {cost.wall:7.2f} s  "
            f"{rate:>10}  {cost.rss / 1e6:6.0f} MB\n"
        )
    for limit in limits(costs, size):
        sys.stdout.write(f"{limit}\n")


if __name__ == "__main__":
    sys.exit(main())
