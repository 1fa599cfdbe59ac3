from __future__ import annotations

from typing import Any

import pytest

from sdcoreml.envs.cluster import coordinating
from sdcoreml.envs.cluster.coordinating import Coordinator, idle, next_task

A, B = "tls://127.0.0.1:1", "tls://127.0.0.1:2"
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
    assert said[-1] == {"ended": 0, "worker": "mac", "answer": {"error": what}}


def test_a_worker_that_leaves_without_a_task_is_only_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[dict[str, object]] = []
    monkeypatch.setattr(coordinating, "say", lambda **line: said.append(line))
    made: Any = Coordinator({"run": "r", "tasks": [TASK]}, None)
    made.known = {A: ("mac", "")}
    made.lose(A)
    assert said == [{"lost": "mac", "because": ""}]
    assert made.queue == [TASK]
