"""Measures what calling from Python costs: `python -m tests.bench.api`.

A process that imports `sdcoreml.api`, and what the same work costs more by a function than by the
command line, each in a process of its own, in turns: medians of CPU seconds. It fails where a
limit is missed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from sdcoreml.doctor.proving.miniature import write_miniature
from tests.bench.tree import measure

RUNS = 15
LIMIT = 0.1
"""The CPU seconds of a process that imports the API and does nothing with it."""

ADDED = 0.05
"""The CPU seconds that a function may take over the command line's."""


def main() -> int:
    """Print the table; return 1 if a limit is missed."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        write_miniature(model)
        taken = _measure(_commands(model), Path(folder) / "log")
    imported = statistics.median(taken["import sdcoreml.api"])
    rows = [("python -c 'import sdcoreml.api'", imported, LIMIT)]
    for verb in ("inspect", "plan"):
        pairs = zip(taken[f"{verb} called"], taken[f"{verb} by line"], strict=True)
        added = statistics.median(called - line for called, line in pairs)
        rows.append((f"{verb}, called rather than typed", added, ADDED))
    print(f"{f'CPU s, median of {RUNS}':<34}{'here':>8}{'limit':>8}")
    for name, here, limit in rows:
        print(f"{name:<34}{here:>8.3f}{limit:>8.3f}")
    return int(any(here > limit for _, here, limit in rows))


def _commands(model: Path) -> dict[str, list[str]]:
    python = [sys.executable, "-I", "-c"]
    line = [sys.executable, "-I", "-m", "sdcoreml"]
    api = "from sdcoreml.api import"
    return {
        "import sdcoreml.api": [*python, "import sdcoreml.api"],
        "inspect by line": [*line, "inspect", str(model), "--json"],
        "inspect called": [*python, f"{api} inspect; inspect({str(model)!r})"],
        "plan by line": [*line, "convert", str(model), "--plan", "--json"],
        "plan called": [*python, f"{api} plan; plan({str(model)!r})"],
    }


def _measure(commands: dict[str, list[str]], log: Path) -> dict[str, list[float]]:
    """Run the commands in turns, after one round that is not counted; return CPU seconds."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(RUNS + 1):
        for name, command in commands.items():
            cost = measure(command, log)
            if turn:
                taken[name].append(cost.cpu)
    return taken


if __name__ == "__main__":
    sys.exit(main())
