"""Measures what the doctor recognises, and what it costs: `python -m tests.bench.doctor`.

Recognition: for each known failure, whether the doctor recognises the example line of its message,
and whether a check predicts it on a machine that has its cause. Cost: the doctor's default run,
compared with other tools that examine the same environment. The second part needs the built
environment; without it, only the first part runs.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.core.engine import examine
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.doctor.gather.toolchain import is_untouched
from sdcoreml.doctor.knowledge import Role, entries
from sdcoreml.doctor.knowledge.diagnosis import diagnose
from sdcoreml.doctor.knowledge.topics import FAMILIES
from sdcoreml.envs.kept.store import Environment, current
from tests.doctor.faults import found_in_time
from tests.doctor.healthy import HEALTHY

ROOT = Path(__file__).parents[2]
RUNS = 5
IMPORT = "import torch, diffusers, coremltools"
AS_USERS_DO = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""The environment variables, without the one that stops Python from writing bytecode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a command in several runs: least times in seconds, largest memory in bytes."""

    wall: float
    cpu: float
    memory: int


def main() -> int:
    """Print both tables; return 1 if a failure is missed or a healthy machine gets a finding."""
    known = entries()
    in_logs = [entry for entry in known if diagnose(entry.example, known)[0].entry is entry]
    single = [entry for entry in known if entry.topic not in FAMILIES]
    marked = [entry for entry in single if entry.checks]
    in_time = [entry for entry in marked if found_in_time(entry)]
    false = [one.id for one in examine(HEALTHY, CHECKS).results if one.status.rank > Status.OK.rank]
    print(f"known failures                                   {len(single)}")
    print(f"  and families of failures                       {len(known) - len(single)}")
    print(f"  found in their own example line                {len(in_logs)}")
    print(f"  marked as detectable before they happen        {len(marked)}")
    print(f"  found by a check on a specimen with the fault  {len(in_time)}")
    harmless = [entry for entry in known if entry.role is Role.HARMLESS]
    print(f"  harmless lines, named as such                  {len(harmless)}")
    print(f"checks                                           {len(CHECKS)}")
    print(f"  with something to say of a healthy machine     {len(false)}")
    for entry in single:
        if not entry.checks and entry.role is not Role.HARMLESS:
            print(f"    only in a log: {entry.id}")
    print()
    environment = current()
    if environment is None:
        print("no environment is built: costs are not measured (make env)")
    else:
        costs(environment)
    return int(bool(false) or len(in_logs) < len(known) or len(in_time) < len(marked))


def costs(environment: Environment) -> None:
    """Measure the doctor and comparable tools on the same environment, and print the costs."""
    python = os.fspath(environment.python)
    rows: list[tuple[str, Sequence[str]]] = [
        ("sdcoreml doctor", (sys.executable, "-m", "sdcoreml", "doctor")),
        ("sdcoreml doctor --json", (sys.executable, "-m", "sdcoreml", "doctor", "--json")),
        ("pip check", (sys.executable, "-m", "pip", "--python", python, "check")),
        (f"python -c '{IMPORT}'", (python, "-I", "-W", "ignore", "-c", IMPORT)),
    ]
    if uv := shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent)):
        rows.insert(3, ("uv pip check", (uv, "pip", "check", "--python", python)))
    if not is_untouched(environment, Probe()):
        print("something was touched since the seal: the doctor compares every file (make env)")
    print(f"{'best of ' + str(RUNS):<50}{'wall s':>8}{'CPU s':>8}{'MB':>7}")
    for name, command in rows:
        cost = measured(command)
        print(f"{name:<50}{cost.wall:>8.2f}{cost.cpu:>8.2f}{cost.memory / 1e6:>7.0f}")


def measured(command: Sequence[str]) -> Cost:
    """Run a command several times in turn; return the shortest times and the largest memory."""
    walls, cpus, peaks = [], [], []
    for _ in range(RUNS):
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=AS_USERS_DO,
        )
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        walls.append(time.perf_counter() - begun)
        cpus.append(usage.ru_utime + usage.ru_stime)
        peaks.append(bytes_of(usage))
    return Cost(wall=min(walls), cpu=min(cpus), memory=max(peaks))


def bytes_of(usage: resource.struct_rusage) -> int:
    """Return `ru_maxrss` in bytes; it is in kilobytes on Linux, in bytes on macOS."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main())
