"""`sdcoreml jobs` as it is typed; what it does is tested in its parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.jobs import tell
from sdcoreml.doctor.commands.jobs_run import Result, State
from sdcoreml.doctor.commands.jobs_schema import example


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    path = tmp_path / "jobs.toml"
    path.write_text('into = "out"\n[[models]]\nmodel = "cat"\n')
    return path


def test_a_file_or_the_example_is_asked_for(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "error: give one job file, or --example; see `"
    for words in ([], [str(file), "--example"]):
        assert main(["jobs", *words]) == 2
        assert capsys.readouterr().err.startswith(said)


def test_the_example_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "--example"]) == 0
    assert capsys.readouterr() == (example(), "")


def test_a_plan_with_what_cannot_be_converted_is_a_problem(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jobs", str(file), "--plan"]) == 1
    assert "cat" in capsys.readouterr().out
    assert main(["jobs", str(file), "--plan", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told.keys(), told["schema"]) == ({"schema", "plan"}, 1)
    assert not (file.parent / "out").exists()


def test_what_became_of_each_folder_is_told_in_words_or_as_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = Result(state=State.DONE, place="models[0]", model="a", folder="f/a", programs=4)
    failed = Result(state=State.FAILED, place="models[1]", model="b", because="it is damaged")
    assert tell([made], as_json=False) == 0
    assert "f/a" in capsys.readouterr().out.splitlines()[0]
    assert tell([made, failed], as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["event"]) == (1, "table")
    assert [one["state"] for one in told["results"]] == ["done", "failed"]
