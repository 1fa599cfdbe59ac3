from __future__ import annotations

import threading
from typing import Any

import pytest

from sdcoreml.envs.cluster import coordinating
from sdcoreml.envs.cluster.coordinating import Coordinator, coordinate, idle, next_task
from tests.envs.cluster import stand_ins
from tests.envs.cluster.conftest import Said
from tests.envs.cluster.stand_ins import Client, Future

A, B = "tls://127.0.0.1:1", "tls://127.0.0.1:2"
C, D = "tls://127.0.0.1:3", "tls://127.0.0.1:4"
TASK: dict[str, Any] = {"id": 0, "after": [], "task": {"title": "a"}}


class NoFuture:
    def release(self) -> None:
        """Forget the result."""


def test_a_worker_has_one_task_at_a_time_and_one_that_refuses_none() -> None:
    known = {A: ("a", ""), B: ("b", "its sdcoreml is another")}
    assert idle(known, {}) == [A]
    assert idle(known, {A: (TASK, None)}) == []


def test_tasks_are_given_in_order_but_none_before_what_it_is_after() -> None:
    first, second = {"id": 0, "after": [3]}, {"id": 1, "after": []}
    assert next_task([first, second], set()) == second
    assert next_task([first, second], {3}) == first
    assert next_task([first], {1}) is None
    assert next_task([], {1}) is None


def test_a_lost_worker_costs_one_artefact(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[dict[str, object]] = []
    monkeypatch.setattr(coordinating, "say", lambda **line: said.append(line))
    other = {**TASK, "id": 1}
    made: Any = Coordinator({"run": "r", "tasks": [other]}, None)
    for tries in (1, 2):
        made.known, made.given = {A: ("mac", "")}, {A: (TASK, NoFuture())}
        made.lose(A)
        assert (made.queue, made.given, made.known) == ([TASK, other], {}, {})
        assert made.lost == {0: tries}
        del made.queue[0]
    made.known, made.given = {A: ("mac", "")}, {A: (TASK, NoFuture())}
    made.lose(A)
    assert made.queue == [other]
    what = "3 workers were lost while they made it, the last of them mac"
    assert said == [
        *[{"lost": "mac", "because": "", "id": 0}] * 3,
        {"ended": 0, "worker": "mac", "answer": {"error": what}},
    ]


def test_a_worker_that_leaves_without_a_task_is_only_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[dict[str, object]] = []
    monkeypatch.setattr(coordinating, "say", lambda **line: said.append(line))
    made: Any = Coordinator({"run": "r", "tasks": [TASK]}, None)
    made.known = {A: ("mac", "")}
    made.lose(A)
    assert said == [{"lost": "mac", "because": ""}]
    assert made.queue == [TASK]


def coordinator(**request: object) -> Coordinator:
    told = {"run": "r", "job": "J", "signs": ["S"], "tasks": [], "more": 1, **request}
    return Coordinator(told, stand_ins.Client())


def test_who_comes_is_asked_and_who_has_gone_is_lost(
    calls: list[tuple[str, Any]], said: Said
) -> None:
    made = coordinator()
    Client.workers = {B: {"name": 2}, A: {"name": "mac"}}
    Client.admitted = {A: "", B: ValueError("no")}
    made.look()
    options = {"workers": [A, B], "on_error": "return"}
    assert calls[1:] == [
        ("run", ("admit", {"job": "J", "signs": ["S"]}, options)),
        ("events", "sdcoreml"),
    ]
    assert made.known == {A: ("mac", ""), B: ("2", "it does not answer")}
    assert said() == [
        {"worker": "mac", "because": ""},
        {"worker": "2", "because": "it does not answer"},
    ]
    del calls[:]
    Client.workers = {B: {"name": 2}}
    made.look()
    assert calls == [("events", "sdcoreml")]
    assert said() == [{"lost": "mac", "because": ""}, {"waiting": True}]


def test_waiting_is_said_once_each_time_that_nobody_takes_work(
    calls: list[tuple[str, Any]], said: Said
) -> None:
    del calls
    made = coordinator()
    mac: dict[str, dict[str, object]] = {A: {"name": "a"}}
    for workers, expected in (
        ({}, [{"waiting": True}]),
        ({}, []),
        (mac, [{"worker": "a", "because": ""}]),
        ({}, [{"lost": "a", "because": ""}, {"waiting": True}]),
    ):
        Client.workers, Client.admitted = workers, {A: ""}
        made.look()
        assert said() == expected


def test_who_declines_is_told_once_unless_it_is_there(
    calls: list[tuple[str, Any]], said: Said
) -> None:
    del calls
    made = coordinator()
    Client.workers, Client.admitted = {A: {"name": "a"}}, {A: ""}
    Client.events = [(1, {"worker": "a", "because": "x"}), (2, {"worker": "b", "because": "y"})]
    made.look()
    assert said()[1:] == [{"worker": "b", "because": "y"}]
    made.look()
    assert said() == []
    Client.events.append((3, {"worker": "c", "because": "z"}))
    made.look()
    assert said() == [{"worker": "c", "because": "z"}]


def test_a_task_is_given_to_one_worker_under_a_name_of_its_own(
    calls: list[tuple[str, Any]], said: Said
) -> None:
    made = coordinator()
    made.known = {A: ("mac", "")}
    Client.made = [future := Future(), Future()]
    made.give(A, TASK)
    options = {"key": "r-0-0", "workers": [A], "pure": False}
    assert calls[1:] == [("submit", ("make", {"title": "a", "run": "r"}, options))]
    assert made.given == {A: (TASK, future)}
    assert said() == [{"began": 0, "worker": "mac"}]
    made.lost = {0: 2}
    made.give(A, TASK)
    assert calls[-1][1][2]["key"] == "r-0-2"


def test_what_is_made_is_taken_and_what_failed_told(
    calls: list[tuple[str, Any]], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinating, "_LOOK", 0.5)
    made = coordinator()
    Client.workers = {A: {}, B: {}, D: {}}
    made.known = {A: ("a", ""), B: ("b", ""), C: ("c", ""), D: ("d", "")}
    futures = [
        Future("finished", {"results": []}),
        Future("error", ValueError("one\ntwo")),
        Future("lost", ValueError("it is gone")),
        Future(),
    ]
    tasks: list[dict[str, Any]] = [{**TASK, "id": number} for number in range(4)]
    made.given = {
        one: (task, future) for one, task, future in zip((A, B, C, D), tasks, futures, strict=True)
    }
    made.take()
    assert calls[1:] == [("wait", (futures, {"timeout": 0.5, "return_when": "FIRST_COMPLETED"}))]
    assert [*made.given] == [C, D]
    assert made.ended == {0, 1}
    assert said() == [
        {"ended": 0, "worker": "a", "answer": {"results": []}},
        {"ended": 1, "worker": "b", "answer": {"error": "one"}},
    ]


def test_with_nothing_to_wait_for_it_waits_for_workers(
    calls: list[tuple[str, Any]], ended: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(ended, "wait", waited.append)
    coordinator().take()
    assert waited == [0.5]
    assert [name for name, _ in calls] == ["Client"]


def test_workers_that_are_there_end_what_they_do_for_a_run(
    calls: list[tuple[str, Any]],
) -> None:
    made = coordinator()
    made.end()
    assert len(calls) == 1
    Client.workers = {A: {}}
    futures = [Future(), Future()]
    made.given = {A: (TASK, futures[0]), B: (TASK, futures[1])}
    made.end()
    cancelled = ("cancel", (futures, {"force": True}))
    stopped = ("run", ("stop", "r", {"workers": [A], "on_error": "ignore"}))
    assert calls[1:] == [stopped, cancelled]
    Client.workers = {}
    made.end()
    assert calls[3:] == [cancelled]


def test_tasks_are_made_one_after_the_other(
    calls: list[tuple[str, Any]], said: Said, ended: threading.Event
) -> None:
    del ended
    Client.workers, Client.admitted = {A: {"name": "mac"}}, {A: ""}
    Client.made = [Future("finished", {"results": [one]}) for one in (1, 2)]
    later = {"id": 1, "after": [0], "task": {"title": "b"}}
    request = {"address": "x", "certificate": "c", "key": "k", "run": "r", "job": "J", "signs": []}
    coordinate({**request, "tasks": [later, TASK]})
    assert said() == [
        {"worker": "mac", "because": ""},
        {"began": 0, "worker": "mac"},
        {"ended": 0, "worker": "mac", "answer": {"results": [1]}},
        {"began": 1, "worker": "mac"},
        {"ended": 1, "worker": "mac", "answer": {"results": [2]}},
    ]
    assert calls[-1] == ("left", None)


def test_a_run_whose_stdin_is_closed_ends_what_was_begun(
    calls: list[tuple[str, Any]], ended: threading.Event
) -> None:
    ended.set()
    made = coordinator(tasks=[TASK])
    made.work_through()
    assert len(calls) == 1
    assert made.queue == [TASK]


def test_what_was_begun_ends_even_after_an_error(calls: list[tuple[str, Any]]) -> None:
    Client.workers, Client.admitted = {A: {"name": "a"}, B: {"name": "b"}}, {A: "", B: ""}
    Client.made = [Future()]
    request = {"address": "x", "certificate": "c", "key": "k", "run": "r", "job": "J", "signs": []}
    with pytest.raises(IndexError):  # there is nothing for the second worker to make
        coordinate({**request, "tasks": [TASK, {**TASK, "id": 1}]})
    assert [name for name, _ in calls][-3:] == ["run", "cancel", "left"]
