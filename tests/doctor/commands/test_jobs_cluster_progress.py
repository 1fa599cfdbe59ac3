"""What a cluster's members say, told as events and results: no cluster is needed for it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdcoreml.doctor.commands.jobs_cluster import ClusterProgress, Planned
from sdcoreml.doctor.commands.jobs_run import Result, State
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.events import Event

BATCH: Any = SimpleNamespace(request=SimpleNamespace(given="given/model", place="models[1]"))
DONE = Result(state=State.DONE, place="models[1]", model="given/model", folder="/out/a", programs=4)
KNOWN = Result(state=State.REUSED, place="models[2]", model="b", folder="/out/b")


class Told:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.progress = ClusterProgress(
            emit=self.events.append,
            planned=[
                Planned(batch=BATCH, result=KNOWN),
                Planned(batch=BATCH, folder="/out/a", programs=4),
                Planned(batch=BATCH),
            ],
            cluster=Path("/net/cluster"),
        )

    def hear(self, **message: object) -> list[tuple[str, str, object]]:
        self.events.clear()
        self.progress.hear(message)
        return [(event.kind, event.text, event.data) for event in self.events]


def test_a_folder_that_is_begun_is_one_that_progress_shows() -> None:
    where = "1 of 2: /out/a, on mini"
    assert Told().hear(began=1, worker="mini") == [
        ("step", where, None),
        ("begin", where, ["/out/a"]),
    ]


def test_what_waits_has_no_folder_to_show_until_it_has_ended() -> None:
    told = Told()
    assert told.hear(began=2, worker="mini") == [("step", "1 of 2: given/model, on mini", None)]
    ended = told.hear(ended=2, worker="mini", answer={"results": to_plain([DONE])})
    assert [(kind, text) for kind, text, _ in ended] == [
        ("folders", ""),
        ("end", "/out/a"),
        ("note", "1 of 2 ended: given/model, on mini"),
    ]
    assert ended[0][2] == [{"folder": "/out/a", "model": "given/model", "bytes": 0}]


def test_what_was_expected_is_not_expected_again() -> None:
    ended = Told().hear(ended=1, worker="mini", answer={"results": to_plain([DONE])})
    assert [kind for kind, _, _ in ended] == ["end", "note"]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"lost": "mini", "id": 1}, ("warning", "mini was lost; another makes /out/a")),
        ({"lost": "mini", "because": ""}, ("note", "mini left")),
        ({"worker": "mini", "because": ""}, ("note", "mini takes part")),
        ({"worker": "mini", "because": "old"}, ("warning", "mini gets no work: old")),
        (
            {"waiting": True},
            (
                "note",
                "no worker takes part; on each machine, start `sdcoreml worker /net/cluster`",
            ),
        ),
    ],
)
def test_what_becomes_of_workers_is_a_line(
    message: dict[str, object], told: tuple[str, str]
) -> None:
    assert Told().hear(**message) == [(*told, None)]


def test_results_are_in_the_order_of_the_plan_and_what_nobody_made_has_failed() -> None:
    told = Told()
    told.hear(ended=2, worker="mini", answer={"results": to_plain([DONE])})
    known, none, made = told.progress.results()
    assert (known, made) == (KNOWN, DONE)
    assert (none.state, none.folder, none.programs) == (State.FAILED, "/out/a", 4)
    assert none.because == "no worker made it"


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        ({"error": "the disk is full"}, "the disk is full"),
        ({"results": []}, "a worker gave no answer"),
        ({"results": [{"state": "baked"}]}, "a worker gave no answer"),
    ],
)
def test_an_answer_without_results_is_a_failure(answer: dict[str, object], because: str) -> None:
    told = Told()
    told.hear(ended=1, worker="mini", answer=answer)
    (made,) = told.progress.made[1]
    assert (made.state, made.because, made.programs) == (State.FAILED, because, 4)
