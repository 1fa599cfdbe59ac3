"""Measures toolchains of one's own: resolving and locking one with a changed pin, and building it.

The package index is asked, with warm caches: everything is done once before it is measured. By
default the new toolchain is made from `light`, which is small; `--from tested --set ...` measures
another. The seconds are those of the whole commands.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

LOCKED, BUILT = 60.0, 30.0
"""The limits in seconds, for three targets and for this machine's environment."""


def main(words: Sequence[str] | None = None) -> int:
    """Print both figures; return 1 if one exceeds its limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.own", description=__doc__)
    parser.add_argument("--from", dest="parent", default="light", metavar="TOOLCHAIN")
    parser.add_argument("--set", default="sympy==1.13.3", metavar="NAME==VERSION")
    args = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        missed = 0
        for number, measured in enumerate((False, True)):
            make = ["new", f"own{number}", "--from", args.parent, "--set", args.set]
            locked = _seconds(make, folder)
            built = _seconds(["--toolchain", f"own{number}", "--fresh"], folder)
            if measured:
                missed += _report(f"{args.parent} with {args.set}, locked", locked, LOCKED)
                missed += _report("its environment, built", built, BUILT)
    return int(bool(missed))


def _seconds(words: Sequence[str], folder: Path) -> float:
    """Run `sdcoreml env` in a project of its own; return how long it took."""
    environ = os.environ | {"SDCOREML_ENVS": str(folder / "envs")}
    command = [sys.executable, "-m", "sdcoreml", "env", *words]
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _report(what: str, seconds: float, limit: float) -> int:
    verdict = "met" if seconds <= limit else "MISSED"
    print(f"  {what:<44}{seconds:8.2f} s  limit {limit:6.2f} s  {verdict}")
    return int(seconds > limit)


if __name__ == "__main__":
    sys.exit(main())
