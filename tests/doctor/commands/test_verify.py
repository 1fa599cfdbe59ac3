"""The output and exit codes of `sdcoreml verify`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.verify import Verification
from sdcoreml.convert.proof.record import AuditRecord, FigureRecord, Origin
from sdcoreml.convert.worker import Outcome
from sdcoreml.doctor.commands import verify
from sdcoreml.ground.errors import Fault, UsageError
from sdcoreml.ground.events import Emit, Event, silent
from tests.convert.stand_ins import StandIn, components_of, finish, job_of, proof, write_model
from tests.schemas import read_as

CHECKED = proof(
    "unet",
    outputs=(
        FigureRecord(output="noise_pred", mode="fp32", psnr=124.34),
        FigureRecord(output="noise_pred", mode="fp16", psnr=70.2),
    ),
    audit=AuditRecord(matched=684),
)
SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
ORIGIN = Origin(
    toolchain="tested",
    lock="5f",
    date="2026-11-24",
    outputs=(FigureRecord(output="y", mode="fp32", psnr=121.0),),
)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    verify.configure(parser)
    return parser.parse_args(words)


class Proving(StandIn):
    """A `Runner` that approves every program and reports a certificate key for it."""

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        emit(Event(kind="step", text=task))
        checked = {
            name: replace(CHECKED, component=name, graph=(name * 64)[:64]).as_json()
            for name in components_of(request)
        }
        return Outcome(value=checked, peak_memory=1)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    model = open_model(write_model(tmp_path / "cat"))
    job = job_of(model, tmp_path / "out", "ORIGINAL")
    return finish(job, StandIn(size=SIZE))


def test_a_sound_folder_is_0(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.run(arguments(str(bundle))) == 0
    out = capsys.readouterr().out
    assert f"{bundle}: " in out
    assert "files as they were written" in out
    assert "numbers not checked: add --against MODEL" in out


def test_a_damaged_folder_is_1(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle / "vocab.json").unlink()
    assert verify.run(arguments(str(bundle), "--json")) == 1
    assert read_as("verify", capsys.readouterr().out) == {
        "schema": 1,
        "folder": str(bundle),
        "passed": False,
        "files": 35,
        "absent": [],
        "notes": [],
        "faults": [
            {
                "path": str(bundle / "vocab.json"),
                "what": "missing",
                "next": "convert the model again",
            }
        ],
        "programs": {},
    }


@pytest.mark.parametrize("flag", ["--fast", "--full"])
def test_how_to_run_programs_needs_a_model(flag: str) -> None:
    with pytest.raises(UsageError, match="add --against MODEL"):
        verify.run(arguments("out", flag))


def test_fast_and_full_exclude_each_other() -> None:
    with pytest.raises(SystemExit) as caught:
        arguments("out", "--against", "cat", "--fast", "--full")
    assert caught.value.code == 2


def test_the_numbers_of_each_program_and_how_they_were_proved() -> None:
    result = Verification(
        bundle=Path("out"),
        files=28,
        faults=(),
        checked={"Unet": CHECKED, "VAEDecoder": replace(CHECKED, outputs=(), certificate=ORIGIN)},
    )
    assert verify.summary(result) == (
        "out: 28 files as they were written\n"
        "  Unet         684 of 684 weights equal; run here: 124.3 dB in fp32, 70.2 dB in fp16\n"
        "  VAEDecoder   684 of 684 weights equal; graph certified on 2026-11-24"
        " with the toolchain tested (with random weights then: 121.0 dB in fp32)"
    )
    told = read_as("verify", json.dumps(verify.as_json(result)))
    assert told["programs"]["VAEDecoder"]["certificate"]["date"] == "2026-11-24"


def test_packages_that_were_deleted_are_said_to_be_absent() -> None:
    result = Verification(
        bundle=Path("out"), files=16, faults=(), checked={}, absent=("Unet.mlpackage",)
    )
    assert verify.summary(result).splitlines()[:2] == [
        "out: 16 files as they were written",
        "  absent by choice: Unet.mlpackage; apps load what is compiled",
    ]
    assert verify.as_json(result)["absent"] == ["Unet.mlpackage"]


def test_faults_come_one_a_line() -> None:
    fault = Fault(where=Path("out/vocab.json"), what="missing", remedy="convert the model again")
    result = Verification(bundle=Path("out"), files=28, faults=(fault, fault), checked={})
    assert verify.summary(result) == (
        "out: 2 problems\n"
        "out/vocab.json: missing; convert the model again\n"
        "out/vocab.json: missing; convert the model again"
    )
    one = replace(result, faults=(fault,))
    assert verify.summary(one).startswith("out: 1 problem\n")
