from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.core.compare import FactChange, find_changes
from sdcoreml.doctor.core.facts import Absent, Goal
from tests.doctor.healthy import (
    CHECKOUT,
    ENVIRONMENT,
    GIT,
    HEALTHY,
    HOST,
    INSTALLED,
    LOCK,
    MEMORY,
    MODEL,
    SYSTEM,
    TOOLCHAIN,
    XCODE,
)
from tests.doctor.specimens import SICK


def test_versions_are_suspected_before_systems_and_disks() -> None:
    installed = {**INSTALLED, "numpy": "2.0.0"}
    del installed["omegaconf"]
    after = replace(
        HEALTHY,
        environment=replace(ENVIRONMENT, installed=installed),
        system=replace(SYSTEM, version="27.2"),
        hub=Absent(reason="gone"),
    )
    assert [str(change) for change in find_changes(HEALTHY, after)][:3] == [
        "environment.installed.numpy: 1.23.5 -> 2.0.0",
        "environment.installed.omegaconf: 2.3.0 -> nothing",
        "system.version: 15.6 -> 27.2",
    ]


def test_memory_that_moved_a_little_is_no_change() -> None:
    def available(size: int) -> tuple[FactChange, ...]:
        return find_changes(HEALTHY, replace(HEALTHY, memory=replace(MEMORY, available=size)))

    now = MEMORY.available
    assert available(now - 1) == ()
    assert available(now // 10) == (
        FactChange(place="facts.memory.available", before=now, after=now // 10),
    )


def test_another_question_is_no_change_of_the_machine() -> None:
    asked = replace(
        HEALTHY,
        goal=Goal(width=512),
        volumes={},
        bundle=Absent(reason="not given"),
        model=replace(MODEL, path="/models/other", size=1),
    )
    assert find_changes(HEALTHY, asked) == ()


def test_the_same_model_is_compared() -> None:
    smaller = replace(HEALTHY, model=replace(MODEL, size=1))
    assert [str(change) for change in find_changes(HEALTHY, smaller)] == [
        "model.size: 3000000000 -> 1"
    ]


def test_what_came_and_what_went() -> None:
    found = find_changes(HEALTHY, replace(HEALTHY, git=Absent(reason="not installed")))
    assert FactChange(place="facts.git.version", before="2.45.1", after=None) in found
    assert FactChange(place="facts.git.absent", before=None, after="not installed") in found


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("1", "2", "x: 1 -> 2"),
        (None, True, "x: nothing -> True"),
        ("", 0, "x: nothing -> 0"),
        (["a", "b"], [], "x: a, b -> nothing"),
        ("y" * 60, "z" * 61, f"x: {'y' * 60} -> {'z' * 56} ..."),
    ],
)
def test_a_change_is_told_in_a_line(before: object, after: object, text: str) -> None:
    assert str(FactChange(place="facts.x", before=before, after=after)) == text


def test_each_kind_of_fact_has_its_place_in_the_order_of_suspicion() -> None:
    after = replace(
        HEALTHY,
        memory=replace(MEMORY, total=1),
        model=replace(MODEL, size=1),
        checkout=replace(CHECKOUT, commit="x"),
        host=replace(HOST, version="x"),
        system=replace(SYSTEM, version="x"),
        xcode=replace(XCODE, compiler="x"),
        toolchain=replace(TOOLCHAIN, commit="x"),
        lock=replace(LOCK, digest="x"),
        environment=replace(ENVIRONMENT, seal="x", installed={**INSTALLED, "numpy": "x"}),
        git=replace(GIT, version="x"),
    )
    assert [change.place for change in find_changes(HEALTHY, after)] == [
        "facts.environment.installed.numpy",
        "facts.environment.seal",
        "facts.lock.digest",
        "facts.toolchain.commit",
        "facts.xcode.compiler",
        "facts.system.version",
        "facts.host.version",
        "facts.checkout.commit",
        "facts.model.size",
        "facts.memory.total",
        "facts.git.version",
    ]


@pytest.mark.parametrize(
    ("now", "is_change"),
    [(51, False), (50, True), (199, False), (200, True), (100, False), (0, True)],
)
def test_half_of_a_restless_number_is_a_change(now: int, is_change: bool) -> None:  # noqa: FBT001
    before = replace(HEALTHY, memory=replace(MEMORY, available=100, swap_free=100))
    for field in ("available", "swap_free"):
        after = replace(before, memory=replace(before.memory, **{field: now}))  # type: ignore[arg-type]
        assert bool(find_changes(before, after)) is is_change


def test_a_number_at_rest_is_a_change_by_one() -> None:
    after = replace(HEALTHY, memory=replace(MEMORY, total=MEMORY.total + 1))
    assert len(find_changes(HEALTHY, after)) == 1


def test_what_did_not_change_is_nothing() -> None:
    assert find_changes(HEALTHY, HEALTHY) == ()


@pytest.mark.parametrize("name", SICK)
def test_every_difference_is_told_both_ways(name: str) -> None:
    there, back = find_changes(HEALTHY, SICK[name]), find_changes(SICK[name], HEALTHY)
    assert {(one.place, one.before, one.after) for one in map(flat, there)} == {
        (one.place, one.after, one.before) for one in map(flat, back)
    }


def flat(change: FactChange) -> FactChange:
    """Return the change with its values as text, so that it can be in a set."""
    return replace(change, before=repr(change.before), after=repr(change.after))


def test_half_is_a_large_change_and_less_is_none() -> None:
    def changes(before: int, after: int) -> int:
        facts = [replace(HEALTHY, memory=replace(MEMORY, available=one)) for one in (before, after)]
        return len(find_changes(*facts))

    assert [changes(100, one) for one in (50, 51, 199, 200, 201)] == [1, 0, 0, 1, 1]
