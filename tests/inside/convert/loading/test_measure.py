"""Folders loaded through a stand-in for Core ML: what is right, and each way it can go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any, TypeAlias

import pytest
from psutil import virtual_memory

from sdcoreml.convert.jobs.draw import Request, draw
from sdcoreml.convert.jobs.manifest import Manifest, read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.verify import verify
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.loading.measure import LoadOptions, load_folder, units_of_apps
from sdcoreml.convert.loading.record import LoadReport, Machine, Source, Units
from sdcoreml.convert.programs.options import Runtime
from sdcoreml.convert.watch import Bounds
from sdcoreml.convert.worker import Worker
from sdcoreml.doctor.proving.miniature import write_miniature
from sdcoreml.ground.digest import describe, named_below
from sdcoreml.ground.errors import BrokenError, ExitCode, UnsupportedError
from sdcoreml.ground.events import silent
from tests.convert.stand_ins import MADE_IN, job_of
from tests.inside.convert.loading.stand_ins import loading_worker

MAC = Machine(chip="M2", macos="15.2", memory=16 << 30)
SMALL: Mapping[str, Any] = {"height": 16, "width": 16}
PROGRAMS = ("TextEncoder", "Unet", "VAEDecoder", "VAEEncoder")
COLD = frozenset({"crash", "greed", "hang"})
"""The faults that are tried with a child as users have it: how it dies, and what its watch sees of
its memory and time, must be those of the child itself."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, worker: Worker) -> Path:
    """Convert the sample, with its UNet in halves; every program is run and recorded."""
    place = tmp_path_factory.mktemp("loading")
    write_miniature(place / "sample")
    workshop = Workshop(runner=worker, toolchain=MADE_IN, policy=ProofPolicy())
    job = job_of(open_model(place / "sample"), place / "made", chunk=True, **SMALL)
    convert_models([job], workshop)
    return place / "made"


Load: TypeAlias = "Callable[..., LoadReport]"


@pytest.fixture
def load(launch_in_fork: Callable[[str], str]) -> Load:
    """Return `load_with` whose children are forks of a process that has imported torch."""
    return partial(load_with, launch_in_fork)


def load_with(
    start: Callable[[str], str],
    folder: Path,
    fault: str = "",
    bounds: Bounds | None = None,
    **more: Any,
) -> LoadReport:
    """Load a folder with a fault; whatever happens, the folder stays as it was."""
    before = describe(named_below(folder))
    runner = loading_worker(fault, bounds, start)
    try:
        return load_folder(folder, read_manifest(folder), LoadOptions(machine=MAC, **more), runner)
    finally:
        assert describe(named_below(folder)) == before


def only(folder: Path, aside: Path, name: str) -> Path:
    """Return a copy of a folder that has a single program, so that a test loads no others."""
    copytree(folder, aside)
    content = json.loads((aside / "manifest.json").read_text())
    content["programs"] = {name: content["programs"][name]}
    (aside / "manifest.json").write_text(json.dumps(content))
    return aside


def test_every_program_is_loaded_and_right(folder: Path, load: Load) -> None:
    report = load(folder)
    assert report.faults == ()
    assert report.exit_code == 0
    assert tuple(report.programs) == PROGRAMS
    for one in report.programs.values():
        assert one.source is Source.RECORDED
        assert one.units is Units.NE
        assert one.psnr is not None
        assert one.psnr > 60
        assert one.peak_memory > 10_000_000
        assert one.loading is not None
        assert one.loading.run is not None
        assert one.placement is not None
        assert one.placement.ne > 0
    unet = report.programs["Unet"].loading
    assert unet is not None
    assert [part.file for part in unet.parts] == ["UnetChunk1.mlmodelc", "UnetChunk2.mlmodelc"]


def test_a_picture_is_drawn_through_core_ml(
    folder: Path, tmp_path: Path, launch_in_fork: Callable[[str], str]
) -> None:
    """The stand-in runs programs as `--precision fp32` does, so both pictures are the same."""
    files = [tmp_path / "coreml.png", tmp_path / "fp32.png"]
    asked = Request(folder=folder, prompt="a cat", steps=1, precision="fp32")
    right = loading_worker(start=launch_in_fork)
    for file, units in zip(files, (lambda _, __: "CPU_AND_NE", None), strict=True):
        draw(replace(asked, units=units), file, right, silent)
    wrong = loading_worker("plan:UnetChunk2", start=launch_in_fork)
    assert files[0].read_bytes() == files[1].read_bytes()
    with pytest.raises(UnsupportedError, match="Core ML loads it and cannot run it"):
        draw(replace(asked, units=lambda _, __: "ALL"), files[0], wrong, silent)


def test_the_record_is_small_and_listed(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert (folder / "answers.json").stat().st_size < 100_000
    assert [*manifest.answers] == ["answers.json"]
    assert "answers" not in json.dumps(manifest.as_json()["programs"])
    assert {*json.loads((folder / "answers.json").read_text())["programs"]} == {*PROGRAMS}


def test_what_is_not_recorded_is_computed(folder: Path, tmp_path: Path, load: Load) -> None:
    aside = only(folder, tmp_path / "made", "TextEncoder")
    record = json.loads((aside / "answers.json").read_text())
    record["programs"]["TextEncoder"]["inputs"] = "another processor's"
    (aside / "answers.json").write_text(json.dumps(record))
    report = load(aside)
    assert report.programs["TextEncoder"].source is Source.COMPUTED
    assert report.faults == ()


def test_without_torch_programs_are_loaded_alone(folder: Path, tmp_path: Path, load: Load) -> None:
    report = load(only(folder, tmp_path / "made", "Unet"), reason="there is no torch")
    (one,) = report.programs.values()
    assert (one.source, one.psnr, one.fault) == (Source.NONE, None, None)
    assert one.loading is not None
    assert one.loading.run is None


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("wrong", ExitCode.WRONG_NUMBERS, "Core ML computes something else: "),
        ("nan", ExitCode.WRONG_NUMBERS, "is not finite"),
        ("shape", ExitCode.WRONG_NUMBERS, "numbers, other than recorded"),
        ("name", ExitCode.BAD_INPUT, "Core ML gives no output "),
        ("crash", ExitCode.CHILD_DIED, "the child process died of SIGSEGV without an answer"),
        ("abort", ExitCode.CHILD_DIED, "the child process died of SIGABRT without an answer"),
        ("hang", ExitCode.CHILD_DIED, "was ended, for it took more than 2 seconds"),
        ("greed", ExitCode.CHILD_DIED, "MB of memory"),
        ("memory", ExitCode.CHILD_DIED, "out of memory"),
        ("specification", ExitCode.BAD_INPUT, "its specification version 99 is newer than 9"),
        ("plan", ExitCode.BAD_INPUT, "Core ML loads it and cannot run it: Error computing NN"),
    ],
)
def test_a_fault_is_one_line(
    folder: Path, tmp_path: Path, fault: str, code: ExitCode, said: str, load: Load
) -> None:
    if fault in COLD:
        load = partial(load_with, str)
    aside = only(folder, tmp_path / "made", "VAEEncoder")
    bounds = {
        "hang": Bounds(seconds=2),
        "greed": Bounds(seconds=60, memory=4e8 / virtual_memory().total),
    }.get(fault)
    report = load(aside, f"{fault}:VAEEncoder", bounds)
    (found,) = report.faults
    assert said in str(found)
    assert "\n" not in str(found)
    assert found.where == str(aside / "VAEEncoder.mlmodelc")
    assert found.remedy
    assert report.exit_code == code


def test_the_others_are_measured_beside_a_program_that_crashes(folder: Path, load: Load) -> None:
    report = load(folder, "crash:UnetChunk2")
    assert [name for name, one in report.programs.items() if one.fault] == ["Unet"]
    assert all(one.psnr for name, one in report.programs.items() if name != "Unet")


def test_a_missing_symbol_ends_it(folder: Path, tmp_path: Path, load: Load) -> None:
    with pytest.raises(BrokenError, match="Symbol not found: _OBJC_CLASS"):
        load(only(folder, tmp_path / "made", "VAEEncoder"), "symbol")


def test_a_plan_that_crashes_costs_nothing_else(folder: Path, tmp_path: Path, load: Load) -> None:
    report = load(only(folder, tmp_path / "made", "VAEEncoder"), "planless:VAEEncoder")
    (one,) = report.programs.values()
    assert one.placement is None
    assert one.psnr
    assert one.fault is None


def test_a_changed_record_is_a_fault(folder: Path, tmp_path: Path, worker: Worker) -> None:
    aside = tmp_path / "made"
    copytree(folder, aside)
    text = (aside / "answers.json").read_text()
    (aside / "answers.json").write_text(text.replace('"runs": 2', '"runs": 1'))
    (fault, *_) = verify(aside, worker).faults
    assert fault.where == str(aside / "answers.json")


def test_apps_choose_the_units_by_attention(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert units_of_apps(manifest, "unet") is Units.NE
    assert isinstance(manifest, Manifest)


def test_a_package_for_comfyui_is_loaded_as_its_nodes_load_it(
    tmp_path: Path, worker: Worker, load: Load
) -> None:
    write_miniature(tmp_path / "cat")
    workshop = Workshop(runner=worker, toolchain=MADE_IN, policy=ProofPolicy())
    small = {**SMALL, "batch": 1, "runtime": Runtime.COMFYUI}
    job = job_of(open_model(tmp_path / "cat"), tmp_path / "made", "ORIGINAL", **small)
    (folder,) = convert_models([job], workshop)
    report = load(folder)
    ((name, one),) = report.programs.items()
    assert (report.faults, one.source, one.units) == ((), Source.RECORDED, Units.GPU)
    assert one.psnr is not None
    assert one.psnr > 60
    assert one.loading is not None
    assert [part.file for part in one.loading.parts] == [f"{name}.mlpackage"]
    assert one.placement is not None
    (fault,) = load(folder, f"crash:{name}").faults
    assert "died of SIGSEGV" in fault.what
