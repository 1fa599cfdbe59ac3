"""What is measured when Core ML loads and runs a program, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from sdcoreml.convert.bundle.contract import UNREAD
from sdcoreml.convert.proof.answers import Distance
from sdcoreml.ground.errors import Fault

FLOOR = 35.0
"""The lowest PSNR, in dB, of Core ML's results that passes; Apple's converter requires as much."""

UNREAD_FLOOR = 20.0
"""The same for an output that no app reads."""


class Units(Enum):
    """The compute units that a program may use; each includes the CPU."""

    CPU = "cpu"
    GPU = "gpu"
    NE = "ne"
    ALL = "all"


COREML: Mapping[Units, str] = {
    Units.CPU: "CPU_ONLY",
    Units.GPU: "CPU_AND_GPU",
    Units.NE: "CPU_AND_NE",
    Units.ALL: "ALL",
}
"""The names of `coremltools.ComputeUnit`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A compiled model that was loaded twice and then run.

    `cold` and `warm` are seconds for the first and the second load, `run` the median seconds of a
    run, `None` if it was not run.
    """

    file: str
    cold: float
    warm: float
    run: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """What a child process measured of a program: one compiled model, or two halves in turn."""

    coremltools: str
    parts: tuple[Part, ...]
    outputs: Mapping[str, Distance] = field(default_factory=dict)

    @property
    def cold(self) -> float:
        """Seconds for the first load of all parts."""
        return sum(part.cold for part in self.parts)

    @property
    def warm(self) -> float:
        """Seconds for the second load of all parts."""
        return sum(part.warm for part in self.parts)

    @property
    def run(self) -> float | None:
        """Seconds of a run of all parts, `None` if they were not run."""
        times = [part.run for part in self.parts if part.run is not None]
        return sum(times) if len(times) == len(self.parts) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where Core ML plans to run a program's operations: how many on which unit.

    `on_cpu` counts those on the CPU by their type.
    """

    cpu: int
    gpu: int
    ne: int
    on_cpu: Mapping[str, int] = field(default_factory=dict)


class Source(Enum):
    """Where the answers came from that a program's results were compared with."""

    RECORDED = "recorded"
    COMPUTED = "computed"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedProgram:
    """One program of a folder: what was measured, or the fault that prevented it.

    `reason` says why its results were not compared, "" if they were or the whole report says it.
    `peak_memory` is that of the process that loaded it, in bytes. `placement` is `None` where
    coremltools cannot say it.
    """

    component: str
    units: Units
    source: Source = Source.NONE
    loading: Loading | None = None
    peak_memory: int = 0
    placement: Placement | None = None
    reason: str = ""
    fault: Fault | None = None

    @property
    def psnr(self) -> float | None:
        """The lowest PSNR, in dB, of an output that an app reads; `None` if none was compared."""
        if self.loading is None:
            return None
        found = self.loading.outputs
        unread = UNREAD.get(self.component, frozenset())
        return min((one.psnr for name, one in found.items() if name not in unread), default=None)

    def misses(self) -> tuple[str, ...]:
        """Describe each output that is too far from the answers."""
        found = self.loading.outputs if self.loading else {}
        unread = UNREAD.get(self.component, frozenset())
        floors = {name: UNREAD_FLOOR if name in unread else FLOOR for name in found}
        return tuple(
            f"{name} is not finite"
            if one.max_error is None
            else f"{name} is {one.psnr:.1f} dB from the answers, at least {floors[name]:.0f} needed"
            for name, one in found.items()
            if one.psnr < floors[name]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The Mac: its chip, the version of macOS, and its memory in bytes."""

    chip: str
    macos: str
    memory: int

    def __str__(self) -> str:
        return f"macOS {self.macos}, {self.chip}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """All programs of a folder, by name, and the Mac that loaded them.

    `reason` says why nothing was compared, "" if it was.
    """

    machine: Machine
    programs: Mapping[str, LoadedProgram]
    reason: str = ""

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The fault of each program that has one."""
        return tuple(one.fault for one in self.programs.values() if one.fault)

    @property
    def exit_code(self) -> int:
        """The exit code of the gravest fault, 0 without any."""
        return max((int(fault.error.exit_code) for fault in self.faults), default=0)


def names_of(units: Iterable[Units]) -> str:
    """Return the different units in words: `CPU & Neural Engine`."""
    return ", ".join(dict.fromkeys(_WORDS[one] for one in units))


_WORDS: Mapping[Units, str] = {
    Units.CPU: "CPU",
    Units.GPU: "CPU & GPU",
    Units.NE: "CPU & Neural Engine",
    Units.ALL: "CPU, GPU & Neural Engine",
}
