"""Which programs are loaded, on which units, and what a fault of one means for the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.loading.measure import LoadOptions, load_folder, units_of_apps
from sdcoreml.convert.loading.record import LoadReport, Source, Units
from sdcoreml.convert.worker import Outcome
from sdcoreml.ground.errors import BrokenError, UnsupportedError, WorkerError
from sdcoreml.ground.events import Emit, silent
from tests.convert.jobs.test_answers import Recording
from tests.convert.jobs.test_for_comfyui import UNET_OF_TWO_LEVELS, Comfy, asked
from tests.convert.loading.stand_ins import MAC, CoreML
from tests.convert.stand_ins import StandIn, finish, job_of, write_model, write_xl

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("measured")
    model = open_model(write_model(place / "cat"))
    return finish(job_of(model, place / "out", chunk=True), StandIn(size=SIZE))


def load(bundle: Path, runner: CoreML, **options: Units | str) -> LoadReport:
    asked = LoadOptions(machine=MAC, **options)  # type: ignore[arg-type]
    return load_folder(bundle, read_manifest(bundle), asked, runner)


def test_each_program_has_its_child_and_halves_share_one(bundle: Path) -> None:
    runner = CoreML()
    report = load(bundle, runner)
    loads = [request for task, request in runner.requests if task == "load"]
    files = [[Path(path).name for path in request["compiled"]] for request in loads]
    assert files == [
        ["TextEncoder.mlmodelc"],
        ["UnetChunk1.mlmodelc", "UnetChunk2.mlmodelc"],
        ["VAEDecoder.mlmodelc"],
        ["VAEEncoder.mlmodelc"],
    ]
    assert {request["units"] for request in loads} == {"CPU_AND_NE"}
    unet = report.programs["Unet"]
    assert (unet.psnr, unet.source, unet.peak_memory) == (71.9, Source.COMPUTED, 5_000_000)
    assert unet.loading is not None
    assert (unet.loading.cold, unet.loading.warm, unet.loading.run) == (186.0, 1.0, 0.805)
    assert unet.placement is not None
    assert unet.placement.cpu == 2
    assert (report.faults, report.exit_code) == ((), 0)


def test_for_comfyui_its_package_is_loaded(tmp_path: Path) -> None:
    job = asked(write_model(tmp_path / "cat", UNET_OF_TWO_LEVELS), tmp_path / "out")
    bundle, runner = finish(job, Comfy(size=SIZE)), CoreML()
    ((name, one),) = load(bundle, runner).programs.items()
    assert one.fault is None
    loads = [request for task, request in runner.requests if task == "load"]
    assert [Path(path).name for path in loads[0]["compiled"]] == [f"{name}.mlpackage"]


def test_recorded_answers_are_handed_on(tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path / "cat"))
    bundle = finish(job_of(model, tmp_path / "out"), Recording(size=SIZE))
    assert {one.source for one in load(bundle, CoreML()).programs.values()} == {Source.RECORDED}


def test_a_program_too_large_to_run_here_is_still_loaded(bundle: Path) -> None:
    class Small(CoreML):
        def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
            if task == "answers" and request["programs"][0]["component"] == "unet":
                raise WorkerError("used more memory than there is")
            return super().run(task, request, emit)

    report = load(bundle, Small())
    unet = report.programs["Unet"]
    assert unet.reason == "no answers: used more memory than there is"
    assert unet.loading is not None
    assert (unet.psnr, unet.loading.cold, unet.source) == (None, 186.0, Source.NONE)
    assert {name for name, one in report.programs.items() if one.psnr} == {
        "TextEncoder",
        "VAEDecoder",
        "VAEEncoder",
    }


def test_the_units_can_be_chosen(bundle: Path) -> None:
    runner = CoreML()
    load(bundle, runner, units=Units.ALL)
    assert {request["units"] for task, request in runner.requests if task == "load"} == {"ALL"}


def test_an_older_coremltools_is_not_asked_where_operations_run(bundle: Path) -> None:
    runner = CoreML(coremltools="7.2")
    assert load(bundle, runner).programs["Unet"].placement is None
    assert "placement" not in [task for task, _ in runner.requests]


def test_without_torch_nothing_is_run(bundle: Path) -> None:
    runner = CoreML()
    report = load(bundle, runner, reason="the toolchain light has no torch")
    assert "answers" not in [task for task, _ in runner.requests]
    assert report.programs["Unet"].psnr is None
    assert report.exit_code == 0


def test_a_fault_is_of_its_program_and_the_gravest_gives_the_exit_code(bundle: Path) -> None:
    faults = {
        "UnetChunk2.mlmodelc": WorkerError("load: died of SIGSEGV"),
        "VAEDecoder.mlmodelc": UnsupportedError("Core ML refuses it"),
    }
    report = load(bundle, CoreML(faults=faults))
    assert [name for name, one in report.programs.items() if one.fault] == ["Unet", "VAEDecoder"]
    assert report.faults[0].where == str(bundle / "UnetChunk1.mlmodelc")
    assert report.exit_code == 7


def test_wrong_numbers_are_a_fault_that_says_what_to_try(bundle: Path) -> None:
    report = load(bundle, CoreML(psnr=20.5))
    assert report.exit_code == 6
    assert report.faults[0].what == (
        "Core ML computes something else: y is 20.5 dB from the answers, at least 35 needed"
    )
    assert report.faults[0].remedy == (
        f"`sdcoreml verify {bundle} --with coreml --units cpu` says whether the unit is to blame"
    )


def test_a_broken_environment_ends_it(bundle: Path) -> None:
    broken = BrokenError("coremltools cannot be used: Symbol not found")
    with pytest.raises(BrokenError):
        load(bundle, CoreML(faults={"load": broken}))


def test_apps_give_original_attention_and_sdxls_vaes_to_the_gpu(tmp_path: Path) -> None:
    xl = open_model(write_xl(tmp_path / "xl"))
    size = Dimensions(batch=2, height=16, width=16, features=16, tokens=77, pooled=8)
    runner = StandIn(size=size)
    split = read_manifest(finish(job_of(xl, tmp_path / "split"), runner))
    assert units_of_apps(split, "unet") is Units.NE
    assert units_of_apps(split, "vae_decoder") is Units.GPU
    model = open_model(write_model(tmp_path / "cat"))
    job = job_of(model, tmp_path / "original", "ORIGINAL")
    original = read_manifest(finish(job, StandIn(size=SIZE)))
    assert units_of_apps(original, "unet") is Units.GPU


def test_a_request_names_the_halves_the_inputs_and_the_answers_to_compare_with(
    bundle: Path,
) -> None:
    runner = CoreML()
    load(bundle, runner)
    asked = [request for task, request in runner.requests if task == "answers"]
    assert [one["component"] for request in asked for one in request["programs"]] == [
        *("text_encoder", "unet", "vae_decoder", "vae_encoder")
    ]
    halves = [str(bundle / f"UnetChunk{number}.mlmodelc") for number in (1, 2)]
    (question,) = asked[1]["programs"]
    assert {*question} == {"component", "compiled", "inputs"}
    assert question["compiled"] == halves
    loaded = [request for task, request in runner.requests if task == "load"][1]
    assert (loaded["compiled"], loaded["inputs"]) == (halves, question["inputs"])
    assert loaded["answers"] == {"seed": 7, "runs": 1, "inputs": "5f", "outputs": {"y": "AAA="}}
    planned = [request for task, request in runner.requests if task == "placement"][1]
    assert planned == {"compiled": halves, "units": "CPU_AND_NE"}
    unrun = CoreML()
    load(bundle, unrun, reason="no torch")
    assert unrun.requests[0][1].keys() == {"compiled", "units"}


def test_recorded_answers_share_a_child(tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path / "cat"))
    bundle, runner = finish(job_of(model, tmp_path / "out"), Recording(size=SIZE)), CoreML()
    load(bundle, runner)
    (asked,) = [request for task, request in runner.requests if task == "answers"]
    assert len(asked["programs"]) == 4
    assert all(one["answers"]["runs"] for one in asked["programs"])


BLAME = "`sdcoreml verify {} --with coreml --units cpu` says whether the unit is to blame"


@pytest.mark.parametrize(
    ("units", "psnr", "fault", "remedy"),
    [
        (Units.CPU, 20.5, None, "report it, with the file that --share writes"),
        (Units.CPU, 71.9, WorkerError("died"), "report it, with the file that --share writes"),
        (Units.CPU, 71.9, WorkerError("died", remedy="do this"), "do this"),
        (
            Units.ALL,
            71.9,
            WorkerError("died", remedy="do this"),
            f"do this; {BLAME}",
        ),
        (Units.ALL, 71.9, UnsupportedError("refused", remedy="do this"), "do this"),
    ],
)
def test_other_units_are_tried_where_the_unit_may_be_to_blame(
    units: Units, psnr: float, fault: UnsupportedError | None, remedy: str, bundle: Path
) -> None:
    runner = CoreML(psnr=psnr, faults={"TextEncoder.mlmodelc": fault} if fault else {})
    first = load(bundle, runner, units=units).faults[0]
    assert (Path(first.where), first.remedy) == (
        bundle / "TextEncoder.mlmodelc",
        remedy.format(bundle),
    )


def test_what_cannot_say_where_operations_run_leaves_the_rest(bundle: Path) -> None:
    runner = CoreML(faults={"placement": UnsupportedError("an older macOS")}, coremltools="8.0")
    unet = load(bundle, runner).programs["Unet"]
    assert (unet.placement, unet.fault, unet.psnr) == (None, None, 71.9)
    assert "placement" in [task for task, _ in runner.requests]
