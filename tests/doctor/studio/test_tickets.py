from __future__ import annotations

import pytest

from sdcoreml.doctor.studio.tickets import LIFE, Tickets


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_ticket_is_good_once() -> None:
    tickets = Tickets()
    first, second = tickets.issue(), tickets.issue()
    assert first.startswith("once-")
    assert first != second
    assert tickets.take(first)
    assert not tickets.take(first)
    assert tickets.take(second)


def test_a_ticket_is_good_for_a_minute() -> None:
    clock = Clock()
    tickets = Tickets(clock)
    early, late = tickets.issue(), tickets.issue()
    clock.now += LIFE - 1
    assert tickets.take(early)
    clock.now += 1
    assert not tickets.take(late)


@pytest.mark.parametrize("said", ["", "once-", "x", "\u00e4\udcff"])
def test_what_is_no_ticket_is_none(said: str) -> None:
    tickets = Tickets()
    tickets.issue()
    assert not tickets.take(said)


def test_of_too_many_the_oldest_is_no_longer_good() -> None:
    tickets = Tickets()
    issued = [tickets.issue() for _ in range(9)]
    assert not tickets.take(issued[0])
    assert all(tickets.take(one) for one in issued[1:])
