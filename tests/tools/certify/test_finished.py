"""Certifying a conversion adds only the programs that were proved in full; others stay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.certificates.store import Certificate, load, save
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.worker import Outcome
from sdcoreml.ground.events import Emit, silent
from tests.convert.stand_ins import StandIn, finish, job_of, write_model
from tools.certify import finished

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


class Proving(StandIn):
    """A `Runner` that approves every program and reports a certificate key for it."""

    def run(self, task: str, request: Mapping[str, Any], _: Emit = silent) -> Outcome:
        if task != "check":
            return super().run(task, request)
        assert not request.get("certificates")
        checked = {
            part["component"]: {
                "component": part["component"],
                "passed": True,
                "runs": 2,
                "outputs": [{"output": "noise_pred", "mode": "fp32", "psnr": 124.34}],
                "audit": {"matched": 684},
                "graph": (part["component"] * 64)[:64],
            }
            for part in request["packages"]
        }
        return Outcome(value=checked, peak_memory=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = open_model(write_model(tmp_path / "cat"))
    return finish(job_of(model, tmp_path / "out", "ORIGINAL"), Proving(size=SIZE))


def certify(folder: Path, file: Path) -> int:
    words = [str(folder), "--against", str(folder.parent / "cat")]
    return finished.main(words, Proving(size=SIZE), file)


def test_certificates_are_written_for_what_was_proved_in_full(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "certificates.json"
    assert certify(folder, file) == 0
    assert f"4 graphs certified in {file}" in capsys.readouterr().out
    (unet,) = [item for item in load(file).values() if item.component == "unet"]
    assert unet.key == "unet" * 16
    assert unet.title == "Stable Diffusion 1.x, ORIGINAL, 128x128, macOS13, batch 2, 77 tokens"
    assert unet.toolchain == "tested"
    assert unet.date == date.today().isoformat()  # noqa: DTZ011  the day where people are


def test_certifying_again_keeps_what_was_there(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "certificates.json"
    old = Certificate(
        key="old",
        component="x",
        title="",
        outputs=(),
        runs=2,
        toolchain="tested",
        lock="5f",
        date="2026-01-01",
    )
    save([old], file)
    certify(folder, file)
    assert load(file)["old"] == old
    assert len(load(file)) == 5


def test_a_damaged_folder_gets_no_certificate(folder: Path, tmp_path: Path) -> None:
    (folder / "vocab.json").unlink()
    file = tmp_path / "certificates.json"
    assert certify(folder, file) == 1
    assert not file.exists()
