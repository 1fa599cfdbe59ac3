"""Operating system, processor, memory, and the places where files go."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from doctor.facts import Absent, Job, Memory, Output, System, Unknown, Volume
from doctor.probe import Outcome, Probe

_NAMES = {"Darwin": "macOS", "Linux": "Linux", "Windows": "Windows"}


def system(probe: Probe) -> System:
    """The operating system and processor; a few sysctl calls on macOS, none elsewhere."""
    from lockfiles.target import host_target

    mac = probe.system == "Darwin"
    translated = mac and _sysctl(probe, "sysctl.proc_translated") == "1"
    return System(
        name=_NAMES.get(probe.system, probe.system),
        version=_words(probe, "sw_vers", "-productVersion") if mac else os.uname().release,
        machine=probe.machine,
        target=host_target(),
        translated=translated,
        cores=os.cpu_count() or 1,
        encoding=sys.getfilesystemencoding(),
        case_sensitive=not Path(__file__).with_name("MACHINE.PY").exists(),
    )


def memory(probe: Probe) -> Memory | Unknown:
    """Main memory and swap; a container's limit counts as the machine's memory."""
    if probe.system == "Darwin":
        return _mac_memory(probe)
    try:
        table = _meminfo((probe.root / "proc/meminfo").read_text(encoding="ascii"))
    except OSError as error:
        return Unknown(unknown=f"/proc/meminfo: {error.strerror}")
    limit, used = _container(probe.root)
    total = min(table["MemTotal"], limit or table["MemTotal"])
    available = table.get("MemAvailable", table["MemFree"])
    return Memory(
        total=total,
        available=min(available, max(0, total - used)) if limit else available,
        swap_total=table.get("SwapTotal", 0),
        swap_free=table.get("SwapFree", 0),
    )


def _meminfo(text: str) -> dict[str, int]:
    """Bytes by name from the lines `Name:   123 kB`."""
    rows = (line.split() for line in text.splitlines())
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) == 3}  # noqa: PLR2004


def _container(root: Path) -> tuple[int, int]:
    """The control group's memory limit and use in bytes, zeros without a limit."""
    folder = root / "sys/fs/cgroup"
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = (folder / "memory.current").read_text(encoding="ascii").strip()
        return (0, 0) if limit == "max" else (int(limit), int(used))
    except (OSError, ValueError):
        return 0, 0


def _mac_memory(probe: Probe) -> Memory | Unknown:
    """From hw.memsize, vm_stat's pages and vm.swapusage ("total = 2048.00M  used = ...")."""
    total, pages = _sysctl(probe, "hw.memsize"), _words(probe, "vm_stat")
    if not total.isdigit():
        return Unknown(unknown="sysctl hw.memsize gave no number")
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
    """The number after `name` in vm.swapusage, in bytes."""
    if name not in words:
        return 0
    return int(float(words[words.index(name) + 1].rstrip("M")) * 2**20)


def _sysctl(probe: Probe, name: str) -> str:
    return _words(probe, "sysctl", "-n", name)


def _words(probe: Probe, *argv: str) -> str:
    """What a program printed, or nothing when it could not be asked."""
    outcome = probe.run(argv)
    return outcome.out if isinstance(outcome, Outcome) and outcome.code == 0 else ""


def volumes(job: Job, environments: Path, probe: Probe) -> Mapping[str, Volume]:
    """Free space by role: where the result, the environments, temporary files and the hub go."""
    temporary = probe.environ.get("TMPDIR") or "/tmp"  # noqa: S108  only looked at
    roles = {
        "output": Path(job.output or (Path(job.model).parent if job.model else Path.cwd())),
        "environments": environments,
        "temporary": Path(temporary),
        "hub": hub_cache(probe),
    }
    return {role: _volume(path) for role, path in roles.items()}


def output(job: Job) -> Output | Absent:
    """What lies in the output folder already."""
    folder = Path(job.output)
    if not job.output or not folder.is_dir():
        return Absent(absent="the output folder is new")
    names = sorted(path.name for path in folder.iterdir())
    programs = tuple(name for name in names if name.endswith((".mlpackage", ".mlmodelc")))
    return Output(path=job.output, programs=programs, manifest="manifest.json" in names)


def hub_cache(probe: Probe) -> Path:
    """Where huggingface_hub keeps what it fetched, by its own environment variables."""
    home = Path(probe.environ.get("XDG_CACHE_HOME") or probe.home / ".cache")
    base = Path(probe.environ.get("HF_HOME") or home / "huggingface")
    return Path(probe.environ.get("HF_HUB_CACHE") or base / "hub")


def _volume(path: Path) -> Volume:
    """The volume that holds `path`, or will: its nearest existing parent decides."""
    existing = next(
        place for place in (path.absolute(), *path.absolute().parents) if place.exists()
    )
    usage = shutil.disk_usage(existing)
    return Volume(
        path=str(path),
        device=existing.stat().st_dev,
        total=usage.total,
        free=usage.free,
        writable=os.access(existing, os.W_OK),
    )


def not_on_macos(probe: Probe) -> Absent | None:
    """The reason why an Apple-only fact is absent, or nothing on macOS."""
    return None if probe.system == "Darwin" else Absent(absent="only macOS has Xcode")
