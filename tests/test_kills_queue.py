"""A small part of `python -m tests.kills_queue`, and what it makes of what it sees."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sdcoreml.doctor.studio.serve import PORTS
from tests.five_models import Bench
from tests.kills_queue import AIMS, Alone, Plan, disturb, hit, run
from tests.kills_studio import differences, free_port


@pytest.mark.slow
@pytest.mark.parametrize("aims", [("runner", "child", "pause", "cancel"), AIMS[:2]])
def test_a_queue_that_is_killed_anywhere_ends_in_the_same_bytes_and_leaves_nothing(
    tmp_path: Path, aims: tuple[str, ...]
) -> None:
    killed, undisturbed = (
        Bench(folder=tmp_path / name, is_plain=True) for name in ("killed", "undisturbed")
    )
    assert run(killed, undisturbed, moments=3, seed=1, aims=aims) == []


def queue(*entries: Mapping[str, object], is_paused: bool = False) -> dict[str, object]:
    return {"entries": list(entries), "is_paused": is_paused}


DONE = {"id": "1", "state": "done", "title": "a", "folders": [{"handle": "h"}], "figures": []}
NEXT = {"id": "2", "state": "running", "title": "b", "command": "c", "step": "first", "done": 1}


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (queue(DONE, NEXT), []),
        (queue(DONE, {**NEXT, "state": "done", "step": "", "done": 0, "figures": [1]}), []),
        (queue(DONE), ["other entries, or in another order"]),
        (queue(NEXT, DONE), ["other entries, or in another order"]),
        (queue({**DONE, "folders": [{"handle": "x"}]}, NEXT), ["entry 1 has another folders"]),
        (queue({**DONE, "state": "waiting"}, NEXT), ["entry 1 has another state"]),
        (queue(DONE, {**NEXT, "title": "x"}), ["entry 2 has another title"]),
        (queue(DONE, NEXT, is_paused=True), ["the pause switch"]),
    ],
)
def test_what_the_next_server_does_not_offer_any_more_is_named(
    after: dict[str, object], said: list[str]
) -> None:
    assert [*differences(queue(DONE, NEXT), after)] == said


CHANCE = random.Random(1)  # noqa: S311  no secret


class Broken(Alone):
    """A queue that nobody works at any more, and whose server forgets it."""

    def _start(self) -> None:
        pass

    def runner(self) -> None:
        return None

    def is_over(self) -> bool:
        return False

    def cancel(self, number: str) -> bool:
        raise AssertionError(number)

    def kill_server(self, seconds: float) -> Iterator[str]:  # noqa: ARG002  as the other
        yield "other entries"

    def close(self) -> Iterator[str]:
        yield "the page was not told"


def test_a_queue_that_does_not_go_on_is_told_and_so_is_what_the_page_missed(
    tmp_path: Path,
) -> None:
    bench = Bench(folder=tmp_path)
    plan = Plan(kills=2, aims=("server",), seconds=0.1, begin=Broken, slack=0.1)
    said = [*disturb(bench, plan, CHANCE)]
    assert said == [*["other entries", "server"] * 2, "the queue does not go on", *said[5:]]
    assert said[-1] == "the page was not told"


def test_without_a_runner_nobody_is_hit(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path)
    for aim in ("runner", "child", "grandchild", "cancel"):
        assert [*hit(bench, Broken(bench), aim, CHANCE)] == ["nobody"]


def test_the_server_has_a_port_that_no_other_studio_takes() -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
    assert port not in PORTS
