"""Inputs and answers for Core ML: what was recorded is used if it is of the same inputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.proof.answers import Answers
from sdcoreml.convert.proof.sampling import compare
from sdcoreml.convert.references.inputs import SEED
from sdcoreml.convert.tasks.answers import feeds_for, task
from sdcoreml.convert.tasks.load import read_inputs
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Event, silent
from tests.convert.tasks.cores import write
from tests.inside.convert.mil.graphs import F32, I32, Graph, Ref


def ask(inputs: Path, *compiled: Path, **more: Any) -> tuple[Answers, Any, list[str]]:
    """Return the answers, the whole entry, and the steps that were told."""
    told: list[Event] = []
    names = [str(path) for path in compiled]
    question = {"component": "unet", "compiled": names, "inputs": str(inputs), **more}
    (entry,) = task({"programs": [question]}, told.append)
    return (
        from_plain(Answers, entry["answers"]),
        entry,
        [one.text for one in told if one.kind == "step"],
    )


def test_without_a_record_a_program_is_run_once(tmp_path: Path) -> None:
    compiled = write(tmp_path, "A.mlmodelc", "xy", "z")
    answers, entry, told = ask(tmp_path / "in.npz", compiled)
    assert told == ["run A.mlmodelc here, for answers to compare with"]
    assert (answers.seed, answers.runs, entry["computed"]) == (SEED, 1, True)
    (feed,) = read_inputs(tmp_path / "in.npz")
    assert {name: array.dtype for name, array in feed.items()} == {"x": np.float32, "y": np.float32}
    assert compare(answers, "z", [feed["x"] + feed["y"]]).psnr > 60


def test_two_halves_are_run_as_one(tmp_path: Path) -> None:
    halves = write(tmp_path, "A.mlmodelc", "x", "y"), write(tmp_path, "B.mlmodelc", "xy", "z")
    answers, _, told = ask(tmp_path / "in.npz", *halves)
    assert told == ["run A.mlmodelc + B.mlmodelc here, for answers to compare with"]
    (feed,) = read_inputs(tmp_path / "in.npz")
    assert [*feed] == ["x"]
    assert compare(answers, "z", [3 * feed["x"]]).psnr > 60


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return a program, and a record of two runs of it with the inputs that are made here."""
    from sdcoreml.convert.mil.interpreter import Executable
    from sdcoreml.convert.parity.recording import record_answers
    from sdcoreml.convert.storage.joined import open_whole
    from sdcoreml.ground.codec import to_plain

    compiled = write(tmp_path, "A.mlmodelc", "xy", "z")
    with open_whole(compiled) as program:
        feeds = feeds_for("unet", program.function)
        run = Executable.of(program)
        found = record_answers(feeds, [run.run(feed) for feed in feeds])
    return compiled, dict(to_plain(found))


def test_a_record_of_the_same_inputs_is_used_and_nothing_is_run(
    tmp_path: Path, recorded: tuple[Path, Mapping[str, Any]]
) -> None:
    compiled, said = recorded
    answers, entry, told = ask(tmp_path / "in.npz", compiled, answers=said)
    assert (entry, told) == ({"answers": said, "computed": False}, [])
    runs = read_inputs(tmp_path / "in.npz")
    assert len(runs) == answers.runs == 2
    assert compare(answers, "z", [run["x"] + run["y"] for run in runs]).psnr > 60


@pytest.mark.parametrize("odd", [{"seed": 1}, {"runs": 1}, {"inputs": "another processor's"}])
def test_a_record_of_other_inputs_is_not(
    odd: Mapping[str, Any], tmp_path: Path, recorded: tuple[Path, Mapping[str, Any]]
) -> None:
    compiled, said = recorded
    answers, entry, _ = ask(tmp_path / "in.npz", compiled, answers={**said, **odd})
    assert (entry["computed"], answers.runs, len(read_inputs(tmp_path / "in.npz"))) == (True, 1, 1)


def test_results_that_half_precision_cannot_hold_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdcoreml.convert.tasks.answers.record_answers", lambda *_: None)
    compiled = write(tmp_path, "A.mlmodelc", "xy", "z")
    with pytest.raises(BadInputError, match=r"A\.mlmodelc: its results are too large for half"):
        ask(tmp_path / "in.npz", compiled)


def test_every_program_of_a_request_is_answered_in_order(tmp_path: Path) -> None:
    programs = [
        {
            "component": "unet",
            "compiled": [str(write(tmp_path, f"{name}.mlmodelc", "x", name))],
            "inputs": str(tmp_path / f"{name}.npz"),
        }
        for name in ("b", "a")
    ]
    found: Any = task({"programs": programs}, silent)
    assert [[*entry["answers"]["outputs"]] for entry in found] == [["b"], ["a"]]
    assert [path.name for path in sorted(tmp_path.glob("*.npz"))] == ["a.npz", "b.npz"]


@pytest.mark.parametrize(("rows", "last"), [((30, 90, 60), 89.0), ((), 49407.0)])
def test_ids_are_those_of_the_longest_table(rows: tuple[int, ...], last: float) -> None:
    graph = Graph(inputs={"ids": (F32, (1, 77))})
    ids = graph.op("cast", {"x": Ref("ids"), "dtype": "int32"}, (I32, (1, 77)))
    found = ids
    for count in rows:
        table = graph.weight(f"table{count}", np.zeros((count, 4), np.float32))
        found = graph.op("gather", {"x": Ref(table), "indices": Ref(ids)}, (F32, (1, 77, 4)))
    vector = graph.weight("vector", np.zeros(500, np.float32))
    found = graph.op("gather", {"x": Ref(vector), "indices": Ref(ids)}, (F32, (1, 77)))
    other = graph.weight("other", np.zeros((400, 4), np.float32))
    found = graph.op("add", {"x": Ref(other), "y": Ref(other)}, (F32, (400, 4)))
    feeds = feeds_for("text_encoder", graph.function(found))
    assert max(float(feed["ids"].max()) for feed in feeds) == last
