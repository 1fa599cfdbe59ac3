"""`sdcoreml jobs` as it is typed; what it does is tested in its parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands import jobs
from sdcoreml.doctor.commands.jobs_schema import example
from tests.doctor.commands.test_inspect import unpacked


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    unpacked(tmp_path)
    path = tmp_path / "jobs.toml"
    path.write_text(
        'into = "out"\n[[models]]\nmodel = "m.safetensors"\ntokenizer = "tokenizer"\nsize = "64x64"\n'
    )
    return path


def test_a_file_or_the_example_is_asked_for(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "error: give one job file, or --example; see `"
    for words in ([], [str(file), "--example"]):
        assert main(["jobs", *words]) == 2
        assert capsys.readouterr().err.startswith(said)


def test_the_example_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "--example"]) == 0
    assert capsys.readouterr() == (example(), "")


def test_a_plan_is_printed_and_writes_nothing(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jobs", str(file), "--plan", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told.keys(), told["schema"]) == ({"schema", "plan"}, jobs.SCHEMA)
    assert jobs.SCHEMA == 1
    assert not (file.parent / "out").exists()


def test_a_plan_with_what_cannot_be_converted_is_a_problem(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(file.read_text() + '[[models]]\nmodel = "dog"\n')
    assert main(["jobs", str(file), "--plan"]) == 1
    assert "dog" in capsys.readouterr().out
