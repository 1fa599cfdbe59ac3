"""The file of recorded answers: written, listed, kept, and compared."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.answers import read_answers
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.verify import Against, Verification, verify
from sdcoreml.convert.proof.answers import Answers
from sdcoreml.convert.proof.sampling import record
from sdcoreml.convert.worker import Outcome
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, silent
from sdcoreml.ground.places import ROOT
from tests.convert.stand_ins import (
    StandIn,
    components_of,
    finish,
    job_of,
    proof,
    write_model,
    write_raw,
)

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


def answers(shift: float = 0.0) -> Answers:
    runs = [np.linspace(-1, 1, 50) + shift, np.linspace(1, 3, 50)]
    found = record(7, [{}, {}], [{"y": one} for one in runs])
    assert found is not None
    return found


class Recording(StandIn):
    """A `Runner` that records the same answers for every program that it checks."""

    said = answers()

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        """Run one task; a check records answers."""
        outcome = super().run(task, request, emit)
        if task != "check":
            return outcome
        checked = {
            name: proof(name, answers=self.said).as_json() for name in components_of(request)
        }
        return Outcome(value=checked, peak_memory=1)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "cat")


@pytest.fixture
def bundle(tmp_path: Path, model: Path) -> Path:
    return finish(job_of(open_model(model), tmp_path / "out"), Recording(size=SIZE))


def rewrite(bundle: Path, change: Mapping[str, Any]) -> None:
    """Change the record of the UNet, and mend all digests."""
    import hashlib

    path = bundle / "answers.json"
    content = json.loads(path.read_text())
    content["programs"]["Unet"] |= change
    path.write_text(json.dumps(content))
    raw = path.read_bytes()
    manifest = json.loads((bundle / "manifest.json").read_text())
    digest = hashlib.sha256(raw).hexdigest()
    manifest["answers"]["answers.json"] = {"size": len(raw), "sha256": digest}
    write_raw(manifest, bundle)


def whats(found: Verification) -> list[str]:
    return [fault.what for fault in found.faults]


def test_the_manifest_lists_it_and_two_runs_write_the_same(bundle: Path, model: Path) -> None:
    first = (bundle / "answers.json").read_bytes(), (bundle / "manifest.json").read_bytes()
    manifest = read_manifest(bundle)
    assert [*manifest.answers] == ["answers.json"]
    assert read_answers(bundle, manifest)["Unet"] == answers()
    assert "answers" not in manifest.as_json()["programs"]["Unet"]["checked"]  # type: ignore[index]
    finish(job_of(open_model(model), bundle), Recording(size=SIZE))
    again = (bundle / "answers.json").read_bytes(), (bundle / "manifest.json").read_bytes()
    assert again == first
    assert verify(bundle, StandIn(size=SIZE)).faults == ()


def test_nothing_is_written_if_nothing_was_recorded(tmp_path: Path, model: Path) -> None:
    folder = finish(job_of(open_model(model), tmp_path / "out"), StandIn(size=SIZE))
    assert not (folder / "answers.json").exists()
    assert "answers" not in json.loads((folder / "manifest.json").read_text())
    assert read_answers(folder, read_manifest(folder)) == {}


def test_a_new_result_replaces_it(bundle: Path, model: Path) -> None:
    finish(job_of(open_model(model), bundle), StandIn(size=SIZE))
    assert not (bundle / "answers.json").exists()


def test_a_kept_program_keeps_its_answers(bundle: Path, model: Path) -> None:
    redo = frozenset({"unet"})
    finish(job_of(open_model(model), bundle, redo=redo), StandIn(size=SIZE))
    assert {*read_answers(bundle, read_manifest(bundle))} == {
        "TextEncoder",
        "VAEDecoder",
        "VAEEncoder",
    }


def test_another_byte_or_none_is_a_fault(bundle: Path) -> None:
    path = bundle / "answers.json"
    path.write_text(path.read_text().replace('"seed": 7', '"seed": 8'))
    assert whats(verify(bundle, StandIn(size=SIZE))) == ["changed since it was written"]
    path.unlink()
    assert "missing" in whats(verify(bundle, StandIn(size=SIZE)))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"runs": 1}, "answers of Unet, which was not run at its own size as often"),
        ({"outputs": {"y": "AAA"}}, "no recorded answers"),
    ],
)
def test_what_no_conversion_records_is_found_alone(
    bundle: Path, change: Mapping[str, Any], what: str
) -> None:
    rewrite(bundle, change)
    assert what in whats(verify(bundle, StandIn(size=SIZE)))[0]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"outputs": answers(0.1).outputs}, "answers of Unet that it does not give: y"),
        ({"seed": 8}, "answers of Unet to other inputs, or of other outputs"),
    ],
)
def test_other_answers_are_found_with_the_model(
    bundle: Path, model: Path, change: Mapping[str, Any], what: str
) -> None:
    rewrite(bundle, change)
    against = Against(model=model, certificates={})
    found = verify(bundle, Recording(size=SIZE), against)
    assert whats(found)[0].startswith(what)


def test_a_sample_of_the_check_does_not_compare_them_and_says_so(bundle: Path, model: Path) -> None:
    rewrite(bundle, {"seed": 8})
    against = Against(model=model, certificates={}, fast=True)
    found = verify(bundle, Recording(size=SIZE), against)
    assert not any("answers" in what for what in whats(found))
    assert "with --fast, the recorded answers are not compared with the programs'" in found.notes


def test_a_later_version_is_refused(bundle: Path) -> None:
    path = bundle / "answers.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(BadInputError, match="schema 2; this version reads 1"):
        read_answers(bundle, read_manifest(bundle))


@pytest.mark.slow
def test_a_run_that_is_killed_as_it_records_is_made_again_with_the_same_bytes(
    tmp_path: Path, model: Path
) -> None:
    """A part of all moments; without the number, it takes a minute and tries each."""
    words = (f"{model}", f"{tmp_path / 'place'}", "23")
    done = subprocess.run(
        [sys.executable, "-m", "tests.convert.jobs.recording_kills", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert int(line.removesuffix(" is the last moment")) > 100
