"""`sdcoreml verify --with coreml`: loads a folder's programs through Core ML itself, on a Mac."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.loading.measure import LoadOptions, load_folder
from sdcoreml.convert.loading.record import LoadedProgram, LoadReport, Machine, Units, names_of
from sdcoreml.convert.loading.share import measurement, write_measurement
from sdcoreml.convert.proof.decibels import format_db
from sdcoreml.convert.worker import Runner
from sdcoreml.doctor.core.facts import Memory
from sdcoreml.doctor.gather.machine import memory, system
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.ground.advice import spell
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import SdcoremlError, UnableError, UsageError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.places import as_path
from sdcoreml.lockfiles.toolchain import Toolchain

SCHEMA = 1
"""The version of the format of `coreml` in what `--json` prints."""

COREML = "coreml"
_SHOWN = 3
"""The most types of operations on the CPU that are named."""

UNTRIED = "not yet tried on one: only a stand-in for Core ML was at hand where this was written"
"""What the help says until a measurement has come in from a Mac."""

_INSTEAD = "--against MODEL runs the programs here, by an interpreter"

FindMac = Callable[[], Machine | None]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    group = parser.add_argument_group("on a Mac", UNTRIED)
    group.add_argument(
        "--with",
        dest="through",
        choices=(COREML,),
        help="load and run every program through Core ML, and compare its answers",
    )
    group.add_argument(
        "--units",
        choices=[unit.value for unit in Units],
        help="with --with coreml: what may be used (default: what apps use)",
    )
    group.add_argument(
        "--share",
        type=as_path,
        metavar="FILE",
        help="write the figures, without any name or path, to be added as evidence",
    )


def require_asked(args: argparse.Namespace) -> None:
    """Raise `UsageError` for options that need `--with coreml`, or cannot be followed."""
    for name in ("units", "share"):
        if getattr(args, name) and not args.through:
            raise UsageError(f"--{name} is for loading through Core ML", remedy="add --with coreml")
    if args.share:
        _require_place(args.share, args.bundle)


def _require_place(file: Path, bundle: Path) -> None:
    """Refuse a file that could not be written, before anything is measured."""
    what = ""
    if file.absolute().is_relative_to(bundle.absolute()):
        what = "lies in the folder that is verified"
    elif not file.absolute().parent.is_dir():
        what = "lies in no folder that there is"
    elif file.is_dir():
        what = "is a folder"
    if what:
        raise UsageError(what, where=file, remedy="choose another place for --share")


def require_mac(find: FindMac, instead: str = _INSTEAD) -> Machine:
    """Return this Mac; `instead` says what runs the programs elsewhere.

    Raises:
        UnableError: this is no Mac.
    """
    if machine := find():
        return machine
    raise UnableError(
        "Core ML exists on macOS alone",
        where="--with coreml",
        remedy=f"leave it out; {instead}",
    )


def find_mac(probe: Probe | None = None) -> Machine | None:
    """Return this Mac; `None` on another system."""
    probe = probe or Probe()
    if probe.system != "Darwin":
        return None
    here, found = system(probe), memory(probe)
    return Machine(
        chip=here.processor.removeprefix("Apple ") or here.machine,
        macos=here.version,
        memory=found.total if isinstance(found, Memory) else 0,
    )


def load(
    bundle: Path, options: LoadOptions, toolchain: Toolchain, runner: Runner, emit: Emit
) -> LoadReport:
    """Load a sound folder; without torch in the toolchain, programs are loaded but not run."""
    emit(Event(kind="step", text=f"load {bundle.name} through Core ML on {options.machine}"))
    if not toolchain.has_torch:
        options = replace(options, reason=f"the toolchain {toolchain.name} has no torch")
    return load_folder(bundle, read_manifest(bundle), options, runner, emit)


def load_finished(
    folders: Iterable[Path], toolchain: Toolchain, runner: Runner, emit: Emit, find: FindMac
) -> Mapping[Path, LoadReport]:
    """Load what a conversion finished, if this is a Mac.

    The folders are in their places already: what prevents the loading itself is a warning.
    """
    if not (machine := find()):
        return {}
    found = {}
    for folder in folders:
        options = LoadOptions(machine=machine)
        try:
            found[folder] = load(folder, options, toolchain, runner, emit)
        except SdcoremlError as error:
            emit(Event(kind="warning", text=f"not loaded through Core ML: {error}"))
    return found


def share(bundle: Path, report: LoadReport, file: Path) -> None:
    """Write what may be shared of a report to a file."""
    write_measurement(measurement(report, read_manifest(bundle)), file)


def verdict(report: LoadReport) -> str:
    """Return in a few words what came of loading a folder."""
    count = len(report.programs)
    if report.faults:
        fail = "fails" if len(report.faults) == 1 else "fail"
        return f"{len(report.faults)} of {count} programs {fail} on {report.machine}"
    if report.reason:
        return f"loaded on {report.machine}, nothing compared: {report.reason}"
    if missing := sum(bool(one.reason) for one in report.programs.values()):
        return f"loaded on {report.machine}, {count - missing} of {count} programs checked"
    return f"loaded and checked on {report.machine}"


def summary(bundle: Path, report: LoadReport) -> str:
    """Return the result as text, the verdict first."""
    units = {one.units for one in report.programs.values()}
    used = names_of(one.units for one in report.programs.values())
    lines = [f"{bundle}: {verdict(report)} ({used})"]
    lines += [str(fault) for fault in report.faults]
    width = max(map(len, report.programs), default=0)
    lines += [
        f"  {name:<{width}} {'; '.join((*_units(one, units), *_figures(one)))}"
        for name, one in report.programs.items()
        if one.loading
    ]
    return "\n".join(lines)


def _units(one: LoadedProgram, units: Collection[Units]) -> tuple[str, ...]:
    """Return the units of a program, if not all programs have the same."""
    return (names_of([one.units]),) if len(units) > 1 else ()


def _figures(one: LoadedProgram) -> Iterator[str]:
    assert one.loading is not None  # noqa: S101  its caller asked
    loading = one.loading
    if one.psnr is not None:
        yield f"{format_db(one.psnr)} from the {one.source.value} answers"
    if one.reason:
        yield f"not compared ({one.reason})"
    yield f"load {_seconds(loading.cold)} cold, {_seconds(loading.warm)} warm"
    if loading.run is not None:
        yield f"{loading.run * 1000:,.1f} ms a run"
    if (place := one.placement) is not None:
        total = place.cpu + place.gpu + place.ne
        most = sorted(place.on_cpu.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
        named = ", ".join(f"{count:,} {kind}" for kind, count in most)
        yield f"{place.cpu:,} of {total:,} operations on the CPU" + (f" ({named})" * bool(named))


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.2g} s"  # noqa: PLR2004


def as_json(report: LoadReport) -> dict[str, object]:
    """Convert a report to plain values for JSON."""
    return {
        "schema": SCHEMA,
        "machine": to_plain(report.machine),
        "verdict": verdict(report),
        "passed": not report.faults,
        "compared": not report.reason and not any(one.reason for one in report.programs.values()),
        "programs": {name: _as_json(one) for name, one in report.programs.items()},
    }


def _as_json(one: LoadedProgram) -> dict[str, object]:
    fault = one.fault
    told = fault and {
        "path": str(fault.where),
        "what": fault.what,
        "next": spell(fault.remedy),
        "exit_code": int(fault.error.exit_code),
    }
    loading = one.loading
    return {
        "component": one.component,
        "units": one.units.value,
        "answers": one.source.value,
        "fault": told,
        "reason": one.reason,
        "psnr": one.psnr,
        "outputs": to_plain(loading.outputs) if loading else {},
        "cold": loading.cold if loading else None,
        "warm": loading.warm if loading else None,
        "run": loading.run if loading else None,
        "peak_memory": one.peak_memory,
        "placement": to_plain(one.placement),
        "coremltools": loading.coremltools if loading else None,
    }
