from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.upstream import UpstreamConverter
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.proof.record import FigureRecord
from sdcoreml.convert.worker import Outcome
from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.convert import configure
from sdcoreml.doctor.commands.convert_jobs import jobs_of
from sdcoreml.doctor.commands.convert_upstream import (
    _ports,
    adapt,
    beside,
    compare,
    convert_upstream,
    interface_differences,
    table,
    wants_upstream,
)
from sdcoreml.envs.upstream.store import obtain
from sdcoreml.ground.errors import UnsupportedError, UsageError
from sdcoreml.ground.events import Emit, silent
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.convert.stand_ins import MADE_IN, StandIn, components_of, job_of, proof, write_model
from tests.upstreams import make_repository, make_toolchain

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
CONVERTER = UpstreamConverter(
    checkout=Path("/store"),
    repository="https://example.invalid/a",
    commit="c891f4357b2269853152d774d97327faab746e7c",
)
TABLE = """\
out-upstream: by apple/ml-stable-diffusion at c891f4357b22
  program          converter  dB fp32  dB fp16 operations    CPU s   memory
  TextEncoder      sdcoreml     130.0     70.0          2      1.0  1 bytes
                   upstream     130.0     70.0          2     60.0 10 bytes
  Unet             sdcoreml     130.0     70.0          1      1.0  1 bytes
                   upstream     130.0     70.0          1     60.0 10 bytes
  VAEDecoder       sdcoreml     130.0     70.0          1      1.0  1 bytes
                   upstream     130.0     70.0          1     60.0 10 bytes
  VAEEncoder       sdcoreml     130.0     70.0          1      1.0  1 bytes
                   upstream     130.0     70.0          1     60.0 10 bytes
  interface: the same in every program"""


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    configure(parser)
    return parser.parse_args([*words])


FIGURES = (
    FigureRecord(output="noise_pred", mode="fp32", psnr=130.0),
    FigureRecord(output="noise_pred", mode="fp16", psnr=70.0),
)
UNREAD = FigureRecord(output="pooled_outputs", mode="fp32", psnr=5.0)


class Figured(StandIn):
    """A `Runner` that reports `FIGURES`; its text encoder also has an output that no app reads."""

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        outcome = super().run(task, request, emit)
        if task != "check":
            return outcome
        value = {name: proof(name, outputs=FIGURES).as_json() for name in components_of(request)}
        text = proof("text_encoder", outputs=(*FIGURES, UNREAD))
        return replace(outcome, value={**value, "text_encoder": text.as_json()})


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(tmp_path)
    return job_of(open_model(write_model(Path("cat"))), Path("out"))


def test_the_word_backend_means_the_same() -> None:
    assert wants_upstream(parsed("cat", "--backend", "upstream"))
    assert wants_upstream(parsed("cat", "--converter", "upstream"))
    assert wants_upstream(parsed("cat", "--compare-upstream"))
    assert not wants_upstream(parsed("cat"))


@pytest.mark.parametrize(
    ("name", "words"),
    [("conda", "set BACKEND=conda"), ("apple", "choose sdcoreml or upstream")],
)
def test_another_backend_is_refused_with_what_was_meant(
    name: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["convert", "cat", "--backend", name])
    assert words in " ".join(capsys.readouterr().err.split())


def test_its_folder_replaces_none_of_ours(tmp_path: Path, job: Job) -> None:
    args = parsed(str(tmp_path / "cat"), "--converter", "upstream")
    (made,) = adapt(args, jobs_of(args, job.model))
    assert made.output == Path("models/cat-upstream-split-einsum_128x128")
    args = parsed(str(tmp_path / "cat"), "--converter", "upstream", "--output", "mine")
    (made,) = adapt(args, jobs_of(args, job.model))
    assert made.output == Path("mine")
    assert beside(job, named=True).output == Path("out-upstream")


def test_what_it_cannot_do_is_refused_before_anything_is_fetched(job: Job) -> None:
    with pytest.raises(UnsupportedError, match="does not support --batch 1"):
        args = parsed("cat", "--converter", "upstream", "--batch", "1")
        adapt(args, jobs_of(args, job.model))
    with pytest.raises(UsageError, match="makes whole folders with both"):
        adapt(parsed("cat", "--compare-upstream", "--converter", "upstream"), [job])
    with pytest.raises(UsageError, match="makes whole folders with both"):
        adapt(parsed("cat", "--compare-upstream", "--packages", "drop"), [job])


def test_both_are_compared_program_by_program(job: Job) -> None:
    workshop = Workshop(runner=Figured(size=SIZE), toolchain=MADE_IN)
    (found,) = compare([job], workshop, CONVERTER, silent, named=True)
    assert "\n".join(table(found)) == TABLE
    data = json.loads(json.dumps(found.as_json()))
    assert (data["ours"], data["theirs"]) == (str(job.output), "out-upstream")
    entry = read_manifest(job.output).programs["VAEDecoder"]
    assert _ports(job.output, "VAEDecoder", entry) == {
        "input z": "float16 [1, 4, 16, 16]",
        "output image": "float32 [1, 3, 128, 128]",
    }


def test_every_difference_of_an_interface_is_told() -> None:
    ours = {"input a": "float16 [1]", "input b": "float16 [2]", "output c": "float32 [3]"}
    theirs = {"input b": "float32 [2]", "input a": "float16 [1]", "output d": "float32 [3]"}
    assert list(interface_differences(ours, ours)) == []
    assert list(interface_differences(ours, theirs)) == [
        "input b: float16 [2] by sdcoreml, float32 [2] by upstream",
        "output c: float32 [3] by sdcoreml, none by upstream",
        "output d: none by sdcoreml, float32 [3] by upstream",
        "order: input a, input b by sdcoreml; input b, input a by upstream",
    ]


def test_the_commit_is_brought_and_its_folder_handed_on(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    made = make_repository(tmp_path / "source")
    toolchain = load_toolchain(str(make_toolchain(tmp_path / "tested", made)))
    kept = obtain(toolchain.upstream, str(tmp_path / "source"))
    (kept.path / "setup.py").unlink()  # and is repaired before it runs
    runner = StandIn(size=SIZE)
    workshop = Workshop(runner=runner, toolchain=MADE_IN)
    args = parsed("cat", "--converter", "upstream")
    folders, comparisons = convert_upstream(args, [job], workshop, toolchain, silent)
    assert (folders, comparisons) == ((job.output,), ())
    used = {request["checkout"] for task, request in runner.requests if task == "upstream"}
    assert used == {str(kept.path)}
    assert (kept.path / "setup.py").exists()
    args = parsed("cat", "--compare-upstream", "--output", "out")
    folders, (comparison,) = convert_upstream(args, [job], workshop, toolchain, silent)
    assert folders == (Path("out"), Path("out-upstream"))
    assert comparison.commit == made.commit
