"""Measures jobs of 40 models: planning them, and nothing to do: `python -m tests.bench.jobs`.

What is planned are single files with every tensor of SD 1.x, in 4 forms each. Planning reads only
their headers, so the weights behind these are a hole in the file. What there is nothing to do about
are folders of safetensors like the sample, which are converted first, with the toolchain `light`.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from sdcoreml.convert.models.sample import write_sample
from sdcoreml.convert.models.vocabulary import vocabulary_folder
from sdcoreml.ground.events import silent
from tests.bench.models import original_shapes

COUNT = 40
RUNS = 3
LIGHT = ("--toolchain", "light")
PLANNED, NOTHING = 3.0, 2.0
"""The most seconds of CPU that planning may take, and finding that there is nothing to do."""

DEFAULTS = '[defaults]\nsize = ["512x512", "512x768"]\nbits = [false, 6]\n'


def main() -> int:
    """Print the times; return 1 if one of them is over its limit."""
    with tempfile.TemporaryDirectory() as folder:
        file = write_shelf(Path(folder), COUNT)
        planned = report(f"{COUNT} models in 4 forms planned", PLANNED, file, "--plan", "--json")
    with tempfile.TemporaryDirectory() as folder:
        file = convert_shelf(Path(folder), COUNT)
        os.environ["SDCOREML_CACHE"] = os.fspath(Path(folder) / "cache")
        nothing = report(f"nothing to do about {COUNT} models", NOTHING, file, *LIGHT)
    return int(planned or nothing)


def report(what: str, limit: float, *asked: str | Path) -> bool:
    """Print the least times of a job; return whether its CPU time is over the limit."""
    times = [measure(*asked) for _ in range(RUNS)]
    wall, cpu = min(one for one, _ in times), min(one for _, one in times)
    verdict = f"over {limit:.0f} s" if cpu > limit else f"at most {limit:.0f} s"
    print(f"{what} in {wall:.1f} s, {cpu:.1f} s of CPU (least of {RUNS}; {verdict})", flush=True)
    return cpu > limit


def convert_shelf(folder: Path, count: int) -> Path:
    """Convert models like the sample, which are all of one content; return their job file."""
    sample, model = folder / "sample", folder / "model"
    sample.mkdir()
    write_sample(sample, vocabulary_folder(silent))
    shutil.copytree(sample, model, ignore=shutil.ignore_patterns("*.bin", "*.index.json"))
    for name in (
        "unet/diffusion_pytorch_model",
        "vae/diffusion_pytorch_model",
        "text_encoder/model",
    ):
        source, target = sample / name.partition("/")[0], model / f"{name}.safetensors"
        run_tool("weights", source, target)
    lines = ['[defaults]\nsize = "64x64"\n']
    for number in range(count):
        shutil.copytree(model, folder / f"model{number}", copy_function=os.link)
        lines.append(f'[[models]]\nmodel = "model{number}"\n')
    file = folder / "jobs.toml"
    file.write_text("".join(lines))
    for _ in range(2):  # the last folders' digests are remembered once their files have settled
        run_tool("jobs", file, *LIGHT, cache=folder / "cache")
    return file


def run_tool(*words: str | Path, cache: Path | None = None) -> None:
    """Run a verb, without what it prints."""
    environ = {**os.environ, **({"SDCOREML_CACHE": os.fspath(cache)} if cache else {})}
    command = [sys.executable, "-m", "sdcoreml", *(os.fspath(word) for word in words)]
    subprocess.run(command, check=True, env=environ, capture_output=True)


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


def measure(*asked: str | Path) -> tuple[float, float]:
    """Return the seconds of wall and CPU time that `sdcoreml jobs` takes."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    run_tool("jobs", *asked)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - begun, cpu


if __name__ == "__main__":
    sys.exit(main())
