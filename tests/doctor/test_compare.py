from __future__ import annotations

from dataclasses import replace

from doctor.compare import Change, changes
from doctor.facts import Absent, Job
from tests.doctor.healthy import ENVIRONMENT, HEALTHY, INSTALLED, MEMORY, MODEL, SYSTEM


def test_versions_are_suspected_before_systems_and_disks() -> None:
    installed = {**INSTALLED, "numpy": "2.0.0"}
    del installed["omegaconf"]
    after = replace(
        HEALTHY,
        environment=replace(ENVIRONMENT, installed=installed),
        system=replace(SYSTEM, version="27.2"),
        hub=Absent(absent="gone"),
    )
    assert [str(change) for change in changes(HEALTHY, after)][:3] == [
        "environment.installed.numpy: 1.23.5 -> 2.0.0",
        "environment.installed.omegaconf: 2.3.0 -> nothing",
        "system.version: 15.6 -> 27.2",
    ]


def test_memory_that_moved_a_little_is_no_change() -> None:
    def available(size: int) -> tuple[Change, ...]:
        return changes(HEALTHY, replace(HEALTHY, memory=replace(MEMORY, available=size)))

    now = MEMORY.available
    assert available(now - 1) == ()
    assert available(now // 10) == (
        Change(place="facts.memory.available", before=now, after=now // 10),
    )


def test_another_question_is_no_change_of_the_machine() -> None:
    asked = replace(
        HEALTHY,
        job=Job(width=512),
        volumes={},
        bundle=Absent(absent="not given"),
        model=replace(MODEL, path="/models/other", size=1),
    )
    assert changes(HEALTHY, asked) == ()


def test_the_same_model_is_compared() -> None:
    smaller = replace(HEALTHY, model=replace(MODEL, size=1))
    assert [str(change) for change in changes(HEALTHY, smaller)] == ["model.size: 3000000000 -> 1"]


def test_what_came_and_what_went() -> None:
    found = changes(HEALTHY, replace(HEALTHY, git=Absent(absent="not installed")))
    assert Change(place="facts.git.version", before="2.45.1", after=None) in found
    assert Change(place="facts.git.absent", before=None, after="not installed") in found
