"""Gathers facts about operating system, processor and memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sdcoreml.doctor.core.facts import Absent, Memory, System, Unknown
from sdcoreml.doctor.gather.limits import core_limit, memory_limit
from sdcoreml.doctor.gather.probe import Probe, RunResult
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_leniently, read_text

_NAMES = {"Darwin": "macOS", "Linux": "Linux", "Windows": "Windows"}


def system(probe: Probe) -> System:
    """Gather the operating system and processor, on macOS with a few sysctl calls."""
    from sdcoreml.lockfiles.target import host_target

    mac = probe.system == "Darwin"
    translated = mac and _sysctl(probe, "sysctl.proc_translated") == "1"
    return System(
        name=_NAMES.get(probe.system, probe.system),
        version=_words(probe, "sw_vers", "-productVersion") if mac else os.uname().release,
        machine=probe.machine,
        target=host_target(),
        translated=translated,
        processor=_processor(probe),
        cores=cores(probe.root),
        encoding=sys.getfilesystemencoding(),
        case_sensitive=not Path(__file__).with_name("MACHINE.PY").exists(),
    )


def _processor(probe: Probe) -> str:
    """Return the processor's name, such as "Apple M2 Pro" or "AMD EPYC"; "" if unknown."""
    if probe.system == "Darwin":
        return _sysctl(probe, "machdep.cpu.brand_string")
    try:
        text = read_leniently(probe.root / "proc/cpuinfo", Document.SYSTEM)
    except BadInputError:
        return ""
    name = text.partition("model name")[2].partition("\n")[0]
    return name.strip(" \t:").removesuffix(" Processor")


def cores(root: Path) -> int:
    """Return how many cores this process may use, by its CPU affinity and container limit."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = core_limit(root)
    return min(bound or 1, max(1, round(share))) if share else bound or 1


EACH_WORKER = 512 << 20
"""The free memory in bytes for which a conversion gets one more worker; it uses a third of it."""

MOST_WORKERS = 16
"""The most workers that are started unasked: beyond, they wait for memory and disk."""


def workers(probe: Probe) -> int:
    """Return how many processes may share a conversion, by cores and free memory."""
    here = memory(probe)
    room = here.available // EACH_WORKER if isinstance(here, Memory) else 1
    return max(1, min(cores(probe.root), room, MOST_WORKERS))


def memory(probe: Probe) -> Memory | Unknown:
    """Gather main memory and swap; a control group's limit counts as the machine's memory."""
    if probe.system == "Darwin":
        return _mac_memory(probe)
    try:
        table = _meminfo(read_text(probe.root / "proc/meminfo", Document.SYSTEM))
    except BadInputError as error:
        return Unknown(reason=f"/proc/meminfo: {error.what}")
    available = table.get("MemAvailable", table["MemFree"])
    group = memory_limit(probe.root)
    return Memory(
        total=min(table["MemTotal"], group.limit) if group else table["MemTotal"],
        available=min(available, group.left) if group else available,
        swap_total=table.get("SwapTotal", 0),
        swap_free=table.get("SwapFree", 0),
    )


def _meminfo(text: str) -> dict[str, int]:
    """Parse lines such as `Name:   123 kB` into bytes by name."""
    rows = (line.split() for line in text.splitlines())
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) == 3}  # noqa: PLR2004


def _mac_memory(probe: Probe) -> Memory | Unknown:
    """Parse hw.memsize, vm_stat's pages and vm.swapusage ("total = 2048.00M  used = ...")."""
    total, pages = _sysctl(probe, "hw.memsize"), _words(probe, "vm_stat")
    if not total.isdigit():
        return Unknown(reason="sysctl hw.memsize gave no number")
    size = int(pages.partition("page size of ")[2].partition(" ")[0] or 4096)
    counts = dict(line.split(":", 1) for line in pages.splitlines()[1:] if ":" in line)
    usable = ("Pages free", "Pages inactive", "Pages speculative", "Pages purgeable")
    swap = _sysctl(probe, "vm.swapusage").replace("=", " ").split()
    return Memory(
        total=int(total),
        available=size * sum(int(counts.get(name, "0").strip(" .")) for name in usable),
        swap_total=_megabytes(swap, "total"),
        swap_free=_megabytes(swap, "free"),
    )


def _megabytes(words: list[str], name: str) -> int:
    """Return the number after `name` in vm.swapusage, in bytes."""
    if name not in words:
        return 0
    return int(float(words[words.index(name) + 1].rstrip("M")) * 2**20)


def _sysctl(probe: Probe, name: str) -> str:
    return _words(probe, "sysctl", "-n", name)


def _words(probe: Probe, *argv: str) -> str:
    """Return a program's output; "" if it could not be run."""
    outcome = probe.run(argv)
    return outcome.out if isinstance(outcome, RunResult) and outcome.code == 0 else ""


def not_on_macos(probe: Probe) -> Absent | None:
    """Return why facts about Apple's tools are absent; None on macOS, where they are not."""
    return None if probe.system == "Darwin" else Absent(reason="only macOS has Xcode")
