"""Measures the planning of a job file of 40 models in 4 forms: `python -m tests.bench.jobs`.

The models are single files with every tensor of SD 1.x. Planning reads only their headers, so the
weights behind these are a hole in the file.
"""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.bench.models import original_shapes

COUNT = 40
RUNS = 3
LIMIT = 3.0
"""The most seconds that planning may take."""

DEFAULTS = '[defaults]\nsize = ["512x512", "512x768"]\nbits = [false, 6]\n'


def main() -> int:
    """Print the times; return 1 if planning takes longer than `LIMIT`."""
    with tempfile.TemporaryDirectory() as folder:
        file = write_shelf(Path(folder), COUNT)
        times = [measure(file) for _ in range(RUNS)]
    wall, cpu = (min(column) for column in zip(*times, strict=True))
    print(
        f"{COUNT} models in 4 forms planned in {wall:.1f} s, {cpu:.1f} s of CPU (least of {RUNS})"
    )
    return int(wall > LIMIT)


def write_shelf(folder: Path, count: int) -> Path:
    """Write models without content and a job file that lists them; return the job file's path."""
    tensors = original_shapes("sd1")
    models = []
    for number in range(count):
        write_hollow(folder / f"model{number}.safetensors", tensors)
        models.append(f'[[models]]\nmodel = "model{number}.safetensors"\n')
    file = folder / "jobs.toml"
    file.write_text(DEFAULTS + "".join(models))
    return file


def write_hollow(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Write a safetensors file of float16 tensors whose data takes no room on the disk."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end)


def measure(file: Path) -> tuple[float, float]:
    """Return the seconds of wall and CPU time that planning takes."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "sdcoreml", "jobs", os.fspath(file), "--plan", "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - begun, cpu


if __name__ == "__main__":
    sys.exit(main())
