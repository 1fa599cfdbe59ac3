"""`make bench`: runs the benchmarks by name, or all but `BY_NAME_ONLY`, one after the other.

Each is a separate program (`python -m tests.bench.NAME --help`), so that the imports and memory of
one do not affect another.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

BENCHMARKS: Mapping[str, str] = {
    "headline": "whole conversions at full size, beside cp and sha256 of the same bytes",
    "weights": "copying, hashing and casting checkpoints, beside cp and torch",
    "programs": "building and writing full-size programs, beside cp of the same bytes",
    "parity": "programs against their modules, and what checking them costs beside torch",
    "compress": "compressing the full UNet, and palettes beside coremltools' own",
    "drawing": "a picture of full-size SD 1.5, beside the pinned diffusers",
    "compile": "package to compiled folder, beside Apple's own output",
    "env": "building, verifying and damaging environments, beside uv and pip",
    "own": "a toolchain of one's own, locked and built; needs the package index",
    "jobs": "planning forty models in four forms each, and finding that there is nothing to do",
    "api": "calling from Python, beside the command line",
    "second": "a second size of SD 1.5, beside the first",
    "studio": "the page, its first byte, verdicts of 7 GB, and its server's memory and idleness",
    "cluster": "what three workers do in the time of one, on tasks that sleep",
    "diagnose": "what public failures are said to be, and how fast",
    "comfy": "UNets for ComfyUI in the hands of their client, beside its own",
    "doctor": "the doctor's time and what it finds, beside pip check and importing torch",
}

BY_NAME_ONLY = frozenset({"comfy"})
"""Benchmarks that bring gigabytes, and so run only if they are named."""


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return an exit code other than 0 if one of them failed."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"error: no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
        return 2
    failed = 0
    for name in names or [name for name in BENCHMARKS if name not in BY_NAME_ONLY]:
        print(f"== {name}: {BENCHMARKS[name]}", flush=True)
        command = [sys.executable, "-m", f"tests.bench.{name}"]
        failed |= subprocess.run(command, check=False).returncode != 0
        print(flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
