from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdcoreml.convert.jobs.plan import Job
from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.jobs_batch import Batch, Opener, open_batches
from sdcoreml.doctor.commands.jobs_file import read_job_file
from sdcoreml.doctor.commands.jobs_plan import (
    JobsPlan,
    Needs,
    PlannedFolder,
    State,
    as_data,
    as_text,
    plan_jobs,
)
from sdcoreml.doctor.gather.toolchain import toolchain
from sdcoreml.ground.errors import NoRoomError, SdcoremlError
from tests.convert.stand_ins import write_controlnet, write_model
from tests.doctor.commands.test_inspect import unpacked
from tests.doctor.healthy import TOOLCHAIN
from tests.doctor.told import lines_of
from tests.golden import assert_golden
from tests.schemas import read_as


def plan(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    path = tmp_path / "jobs.toml"
    path.write_text(text)
    code = main(["jobs", str(path), "--plan", "--json"])
    said = capsys.readouterr()
    return code, read_as("jobs", said.out)["plan"] if said.out else said.err.replace(
        f"{tmp_path}/", ""
    )


def test_free_room_is_that_of_the_disk_of_the_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked(tmp_path)
    asked: list[Path] = []

    def usage(place: Path) -> Any:
        asked.append(place)
        return SimpleNamespace(free=123, total=10**12)

    monkeypatch.setattr("sdcoreml.doctor.commands.jobs_plan.shutil.disk_usage", usage)
    (tmp_path / "elsewhere").mkdir()
    text = 'into = "elsewhere/new"\n[[models]]\nmodel = "model"\nsize = "64x64"\n'
    _, said = plan(tmp_path, text, capsys)
    assert said["needs"]["free"] == 123
    assert asked[-1] == tmp_path / "elsewhere"


def test_a_plan_lists_every_folder_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpacked(tmp_path)
    text = """
    into = "out"
    [[models]]
    model = "m.safetensors"
    tokenizer = "tokenizer"
    size = ["64x64", "128x128"]
    bits = [false, 4]
    [[models]]
    model = "absent.ckpt"
    bits = [false, 4]
    """
    (tmp_path / "jobs.toml").touch()
    before = sorted(tmp_path.rglob("*"))
    code, said = plan(tmp_path, text, capsys)
    assert sorted(tmp_path.rglob("*")) == before
    assert code == 1
    folders = {Path(one["folder"]).name: one for one in said["folders"]}
    assert list(folders) == [
        *("m-split-einsum_64x64", "m-split-einsum_128x128"),
        *("m-split-einsum-4-bit_64x64", "m-split-einsum-4-bit_128x128"),
        "",
    ]
    first, refused = folders["m-split-einsum_64x64"], folders[""]
    assert first["folder"].startswith(str(tmp_path / "out" / "models"))
    assert (first["state"], first["place"]) == ("make", "models[0]")
    sizes = {program["name"]: program["bytes"] for program in first["programs"]}
    assert sizes["Unet"] == 2 * 2_199_268
    assert (refused["state"], refused["place"]) == ("refused", "models[1]")
    assert "no such file" in refused["because"]
    assert said["needs"]["disk"] > 4 * 2_000_000


def test_the_text_says_what_is_made_and_what_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = unpacked(tmp_path)
    (tmp_path / "jobs.toml").write_text(f"[[models]]\nmodel = ['{model}', 'a.ckpt']\n")
    assert main(["jobs", str(tmp_path / "jobs.toml"), "--plan"]) == 1
    lines = capsys.readouterr().out.replace(f"{tmp_path}/", "").splitlines()
    assert lines[:5] == [
        "  make    models/model-split-einsum_512x512  4 programs, about 7 MB",
        "  refused a.ckpt  a.ckpt: no such file or folder; give the folder of a diffusers model",
        "jobs.toml: 1 folder to make, 1 refused",
        "takes about 15 MB of disk, 1.5 GB of memory",
        "and at most less than a minute, once the environment is there",
    ]


def test_what_the_machine_lacks_is_said() -> None:
    needs = Needs(disk=9_000_000_000, memory=8_000, seconds=None, free=1_000_000_000, installed=10)
    folder = PlannedFolder(state=State.MAKE, place="models[0]", model="a", folder="models/a")
    lines = [*as_text(JobsPlan(file="j", folders=(folder,), needs=needs))]
    assert lines[1:] == [
        "j: 1 folder to make",
        "takes about 9.0 GB of disk, 8 kB of memory",
        "  warning: only 1.0 GB of disk are free",
        "  warning: this machine has 10 bytes of memory",
    ]


def test_two_conversions_of_one_folder_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpacked(tmp_path)
    code, said = plan(tmp_path, "[[models]]\nmodel = 'model'\n" * 2, capsys)
    assert code == 3
    assert said == (
        "error: jobs.toml: models[0] and models[1] would make the folder"
        " models/model-split-einsum_512x512 twice; give each a name of its own: name = 'NAME'\n"
    )


def test_a_controlnet_waits_for_the_folder_that_it_is_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpacked(tmp_path)
    write_controlnet(tmp_path / "net")
    text = """
    [[models]]
    model = "net"
    for = "made"
    [[models]]
    model = "model"
    output = "made"
    controlled = true
    """
    _, said = plan(tmp_path, text, capsys)
    assert [(one["state"], Path(one["model"]).name) for one in said["folders"]] == [
        ("make", "model"),
        ("wait", "net"),
    ]


def test_options_that_contradict_each_other_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "model")
    code, said = plan(tmp_path, "[[models]]\nmodel = 'model'\ngroup-size = 4\n", capsys)
    assert (code, said["folders"][0]["state"]) == (1, "refused")


@pytest.mark.parametrize("words", [[], ["--example", "jobs.toml"]])
def test_a_file_or_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", *words]) == 2
    assert "give one job file, or --example" in capsys.readouterr().err


def test_an_example_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "--example"]) == 0
    assert "[[models]]" in capsys.readouterr().out


def test_a_folder_that_is_there_takes_nothing(tmp_path: Path) -> None:
    unpacked(tmp_path)
    (tmp_path / "jobs.toml").write_text("[[models]]\nmodel = 'model'\nbits = [false, 4]\n")
    file = read_job_file(tmp_path / "jobs.toml")
    with ExitStack() as stack:
        opener = Opener(into=file.into, run={"toolchain": "tested"}, stack=stack)
        batches = open_batches(file, opener)
    measured = toolchain("tested")
    all_there = plan_jobs(file.path, batches, measured, lambda _, __: True)
    assert [one.state for one in all_there.folders] == [State.THERE, State.THERE]
    assert (all_there.needs.disk, all_there.needs.memory, all_there.needs.seconds) == (0, 0, 0)
    assert list(as_text(all_there))[-1].endswith("jobs.toml: 0 folders to make, 2 there already")
    one_there = plan_jobs(file.path, batches, measured, lambda _, job: not job.options.recipe)
    assert [one.state for one in one_there.folders] == [State.THERE, State.MAKE]
    assert 0 < one_there.needs.disk < plan_jobs(file.path, batches, measured).needs.disk


def test_one_folder_of_a_model_may_be_too_large_alone(tmp_path: Path) -> None:
    unpacked(tmp_path)
    (tmp_path / "jobs.toml").write_text("[[models]]\nmodel = 'model'\nbits = [false, 4, 8]\n")
    file = read_job_file(tmp_path / "jobs.toml")
    with ExitStack() as stack:
        opener = Opener(into=file.into, run={"toolchain": "tested"}, stack=stack)
        batches = open_batches(file, opener)
    (one, four, eight) = (job for batch in batches for job in batch.jobs)
    together = [replace(batches[0], jobs=(one, four, eight))]

    def refuse(_: Batch, jobs: Sequence[Job]) -> SdcoremlError | None:
        return NoRoomError("far too large") if four in jobs else None

    planned = plan_jobs(file.path, together, toolchain("tested"), refuse=refuse)
    assert [(one.state, one.folder, one.because) for one in planned.folders] == [
        (State.MAKE, str(one.output), ""),
        (State.REFUSED, str(four.output), "far too large"),
        (State.MAKE, str(eight.output), ""),
    ]
    assert planned.refused == 1
    assert 0 < planned.needs.disk < plan_jobs(file.path, together, toolchain("tested")).needs.disk


JOBS = """
into = "out"
[[models]]
model = "model"
size = ["64x64", "128x64"]
bits = [false, 6]
[[models]]
model = "net"
for = "made"
[[models]]
model = "model"
output = "made"
controlled = true
[[models]]
model = ["absent.ckpt", "model"]
name = "one"
app = "comfyui"
"""


def test_all_that_a_plan_tells_in_both_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked(tmp_path)
    write_controlnet(tmp_path / "net")
    (tmp_path / "jobs.toml").write_text(JOBS)
    usage = SimpleNamespace(free=123_000_000, total=10**12)
    monkeypatch.setattr("sdcoreml.doctor.commands.jobs_plan.shutil.disk_usage", lambda _: usage)
    memory = SimpleNamespace(total=1_000_000_000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    file = read_job_file(tmp_path / "jobs.toml")
    with ExitStack() as stack:
        opener = Opener(into=file.into, run={"toolchain": "tested"}, stack=stack)
        batches = open_batches(file, opener)
    there = batches[0].jobs[0]

    def refuse(batch: Batch, jobs: Sequence[Job]) -> SdcoremlError | None:
        return NoRoomError("far too large") if batch.jobs[1:] == (*jobs,) else None

    measured = replace(TOOLCHAIN, parallel=0.0)
    planned = plan_jobs(file.path, batches, measured, lambda _, job: job is there, refuse)
    told = [*as_text(planned), *lines_of(as_data(planned))]
    assert_golden("jobs-plan", "\n".join(told).replace(str(tmp_path), "PLACE"))


def test_what_fits_exactly_lacks_nothing() -> None:
    folder = PlannedFolder(state=State.WAIT, place="models[0]", model="a", because="for b")
    needs = Needs(disk=9, memory=8, seconds=90.0, free=9, installed=8)
    plan = JobsPlan(file="j", folders=(folder,), needs=needs)
    assert [*as_text(plan)] == [
        "  wait    a  for b",
        "j: 1 folder to make",
        "takes about 9 bytes of disk, 8 bytes of memory",
        "and at most about 2 minutes, once the environment is there",
    ]
    short = replace(plan, needs=replace(needs, free=8, installed=7))
    assert [*as_text(short)][4:] == [
        "  warning: only 8 bytes of disk are free",
        "  warning: this machine has 7 bytes of memory",
    ]
