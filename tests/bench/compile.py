"""Compiles a full-size UNet to a `.mlmodelc`, and counts files that equal Apple's own output.

    python -m tests.bench.compile [PACKAGE ...] [--python BUILT_ENVIRONMENT] [--case NAME]

Without PACKAGE, a UNet of SD 1.5 is first built from random weights, by a child process in the
built environment. Each package is compiled by a new child process, and the operating system
reports its CPU time and peak resident memory. The memory includes pages of the memory-mapped
weight file, so the compiler itself needs less than the printed figure. The output of Apple's
compiler is taken from the reference pairs in `../shared/golden`; without that folder, nothing is
compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from sdcoreml.convert.compile.compiled import (
    ANALYTICS,
    COREMLDATA,
    METADATA,
    TEXT,
    WEIGHTS,
    read_compiled,
)
from sdcoreml.convert.compile.coremldata import order_fields
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.ground.errors import BadInputError
from tests.bench.programs import CASES, ROOT, build, prepare

GOLDEN = ROOT.parent / "shared" / "golden"
COMPILE = """\
import json, sys, time
from pathlib import Path
from sdcoreml.convert.compile.package import compile_package
started = time.process_time()
compiled = compile_package(Path(sys.argv[1]), Path(sys.argv[2]))
operations = sum(len(f.block.operations) for f in compiled.program.functions.values())
print(json.dumps({"operations": operations, "cpu": time.process_time() - started}))
"""
HEADER = "package              operations weights MB  CPU s  peak MB  wall s"
UNIT = 1 if sys.platform == "darwin" else 1024
"""How many bytes the system's unit of resident memory (`ru_maxrss`) has."""


def main(arguments: list[str]) -> int:
    """Measure the given packages, or a UNet of SD 1.5; then compare the reference pairs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", nargs="*", type=Path)
    parser.add_argument("--python", type=Path, default=ROOT / ".envs" / "tested" / "bin" / "python")
    parser.add_argument("--case", choices=CASES, default="sd15-unet")
    parser.add_argument("--repeat", type=int, default=5, metavar="TIMES")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    given = parser.parse_args(arguments)
    print(HEADER)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        packages = given.packages or [made(given.case, given.python, folder)]
        for package in packages:
            print(measure(package, folder, given.repeat), flush=True)
    if GOLDEN.is_dir():
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            print(compare(Path(name)))
    return 0


def made(name: str, python: Path, folder: Path) -> Path:
    """Build a package of random weights with the project's own builder."""
    case = CASES[name]
    weights = prepare(case, python, folder)
    build(case, [case.options], python, folder)
    weights.unlink()
    return (folder / "0.mlpackage").rename(folder / f"{name}.mlpackage")


def measure(package: Path, folder: Path, repeat: int) -> str:
    """Print the median cost of compiling several times, each in a new process from its start."""
    target = folder / f"{package.stem}.mlmodelc"
    command = [sys.executable, "-c", COMPILE, str(package), str(target)]
    started = time.perf_counter()
    runs = [run(command) for _ in range(repeat)]
    wall = (time.perf_counter() - started) / repeat
    answer = json.loads(runs[0][0])
    weights = target / "weights" / "weight.bin"
    size = weights.stat().st_size / 1e6 if weights.is_file() else 0
    cpu = statistics.median(cpu for _, cpu, _ in runs)
    peak = max(peak for _, _, peak in runs) / 1e6
    return (
        f"{package.stem:<20}{answer['operations']:>11,}{size:>11,.0f}{cpu:>7.2f}{peak:>9.0f}"
        f"{wall:>8.2f}"
    )


def run(command: list[str]) -> tuple[str, float, int]:
    """Run a process; return its stdout, CPU seconds and peak resident memory in bytes."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with exit code {process.returncode}")
    return text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * UNIT


def compare(folder: Path) -> str:
    """Count our files that equal Apple's in the reference pairs, by bytes or ignoring the order."""
    pairs = sorted(path.parent for path in GOLDEN.glob("*/package.mlpackage"))
    equal: Counter[str] = Counter()
    compiled = 0
    for pair in pairs:
        try:
            made = compile_package(pair / "package.mlpackage", folder / f"{pair.name}.mlmodelc")
        except BadInputError:  # its weight file is a pointer, not published with the pair
            continue
        theirs = read_compiled(pair / "compiled.mlmodelc")
        compiled += 1
        for name in (TEXT, ANALYTICS, WEIGHTS):
            equal[name] += (made.path / name).read_bytes() == (theirs.path / name).read_bytes()
        ours, wanted = (order_fields(model.description.raw) for model in (made, theirs))
        equal[f"{COREMLDATA} (any order of the map)"] += ours == wanted
        (here,), (there,) = made.metadata, theirs.metadata
        names = {"generatedClassName": there["generatedClassName"]}  # the pairs are renamed
        equal[f"{METADATA} (as JSON)"] += {**here, **names} == there
    lines = [f"{name}: equal to Apple's in {count} of {compiled}" for name, count in equal.items()]
    return "\n".join([f"\n{compiled} of {len(pairs)} reference pairs have their weights", *lines])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
