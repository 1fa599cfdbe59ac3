"""What a Mac measured, in the form that can be shared: figures and digests.

It holds no name of a model, a file, a person or a computer, no path and no serial number, and no
text that Core ML said, which could hold any of these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import sdcoreml
from sdcoreml.convert.bundle.contract import NAMES
from sdcoreml.convert.jobs.manifest import Manifest, ProgramEntry
from sdcoreml.convert.loading.record import LoadedProgram, LoadReport, Placement, Source, Units
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.programs.options import Attention, Precision
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import ExitCode
from sdcoreml.ground.refusals import translate_os_errors

SCHEMA = 1
"""The version of the format."""

MOST_PROGRAMS = 32
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHIP = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ()@.+-]{0,59}")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+]{0,39}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MEMORY = range(1 << 30, 1 << 44)
_LARGEST = 1_000_000
_DAY = 86_400.0
_DECIBELS = 999.0


class Result(Enum):
    """What came of loading and running a program."""

    RIGHT = "right"
    LOADED = "loaded"
    WRONG = "wrong"
    REFUSED = "refused"
    DIED = "died"


_RESULTS: Mapping[ExitCode, Result] = {
    ExitCode.WRONG_NUMBERS: Result.WRONG,
    ExitCode.CHILD_DIED: Result.DIED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedProgram:
    """One program: what it is, and what was measured.

    `graph` is the key of its certificate, or that of the certified graph which it equals but for
    its shapes; "" if neither is known. `height` and `width` are those of its latents. `bits` are
    those of its weights, 0 for a recipe by layers, 16 or 32 uncompressed. Times are in seconds.
    """

    component: str
    graph: str
    attention: Attention
    height: int
    width: int
    bits: int
    units: Units
    result: Result
    answers: Source
    psnr: float | None
    cold: float | None
    warm: float | None
    run: float | None
    peak_memory: int
    placement: Placement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one Mac measured of one folder; `lock` is the digest of the environment's lock."""

    schema: int
    sdcoreml: str
    chip: str
    macos: str
    memory: int
    toolchain: str
    lock: str
    coremltools: str
    programs: tuple[SharedProgram, ...]


def measurement(report: LoadReport, manifest: Manifest) -> Measurement:
    """Return what can be shared of a report on the folder with this manifest."""
    versions = [one.loading.coremltools for one in report.programs.values() if one.loading]
    made = manifest.toolchain
    return Measurement(
        schema=SCHEMA,
        sdcoreml=sdcoreml.__version__,
        chip=report.machine.chip,
        macos=report.machine.macos,
        memory=report.machine.memory,
        toolchain=made.name,
        lock=made.lock,
        coremltools=versions[0] if versions else "",
        programs=tuple(
            _program(one, manifest.programs[name], manifest)
            for name, one in report.programs.items()
        ),
    )


def write_measurement(found: Measurement, path: Path) -> None:
    """Write a measurement to a file, which appears complete or not at all.

    Raises:
        SdcoremlError: it cannot be written.
    """
    with translate_os_errors(path):
        write_text(path, json.dumps(to_plain(found), indent=1) + "\n")


def _program(one: LoadedProgram, entry: ProgramEntry, manifest: Manifest) -> SharedProgram:
    proof, loading = entry.checked, one.loading
    options = manifest.options
    return SharedProgram(
        component=entry.component,
        graph=(proof.sibling.graph if proof.sibling else proof.graph) or "",
        attention=options.attention,
        height=entry.options.height or options.height,
        width=entry.options.width or options.width,
        bits=_bits(entry),
        units=one.units,
        result=_result(one),
        answers=one.source,
        psnr=one.psnr,
        cold=round(loading.cold, 4) if loading else None,
        warm=round(loading.warm, 4) if loading else None,
        run=None if loading is None or loading.run is None else round(loading.run, 6),
        peak_memory=one.peak_memory,
        placement=one.placement,
    )


def _result(one: LoadedProgram) -> Result:
    if one.fault:
        return _RESULTS.get(one.fault.error.exit_code, Result.REFUSED)
    return Result.LOADED if one.psnr is None else Result.RIGHT


def _bits(entry: ProgramEntry) -> int:
    if entry.recipe is None:
        return 32 if entry.options.precision is Precision.FP32 else 16
    bits = entry.recipe.get("bits")
    return bits if isinstance(bits, int) else 0


def measurement_faults(found: Measurement) -> Iterator[str]:
    """Yield what no Mac measures, in a measurement that somebody else wrote."""
    if found.schema != SCHEMA:
        yield f"schema {found.schema}; this version reads {SCHEMA}"
    texts = {
        "sdcoreml": (found.sdcoreml, _VERSION),
        "chip": (found.chip, _CHIP),
        "macos": (found.macos, _VERSION),
        "toolchain": (found.toolchain, _WORD),
        "lock": (found.lock, _DIGEST),
        "coremltools": (found.coremltools, _VERSION),
    }
    for name, (text, form) in texts.items():
        if not form.fullmatch(text):
            yield f"{name}: not one"
    if found.memory not in _MEMORY:
        yield f"memory: {found.memory} bytes are those of no Mac"
    if not 0 < len(found.programs) <= MOST_PROGRAMS:
        yield f"programs: {len(found.programs)} of them"
    for number, one in enumerate(found.programs):
        yield from (f"programs[{number}].{what}" for what in _program_faults(one))


def _program_faults(one: SharedProgram) -> Iterator[str]:
    seconds = {name: getattr(one, name) for name in ("cold", "warm", "run")}
    rules = {
        "component": one.component in {*NAMES, CONTROLNET},
        "graph": not one.graph or bool(_DIGEST.fullmatch(one.graph)),
        "peak_memory": 0 <= one.peak_memory < _MEMORY.stop,
        "psnr": one.psnr is None or abs(one.psnr) <= _DECIBELS,
        "result": one.result is not Result.RIGHT or None not in (one.psnr, one.run),
        "placement": one.placement is None or _is_possible(one.placement),
        **{name: 0 <= getattr(one, name) <= _LARGEST for name in ("height", "width", "bits")},
        **{name: time is None or 0 <= time <= _DAY for name, time in seconds.items()},
    }
    yield from (f"{name}: not one of a program" for name, holds in rules.items() if not holds)


def _is_possible(place: Placement) -> bool:
    counts = (place.cpu, place.gpu, place.ne, *place.on_cpu.values())
    are_named = all(_WORD.fullmatch(kind) for kind in place.on_cpu)
    is_whole = sum(place.on_cpu.values()) == place.cpu
    return are_named and is_whole and all(0 <= count <= _LARGEST for count in counts)
