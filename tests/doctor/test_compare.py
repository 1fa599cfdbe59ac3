from __future__ import annotations

from dataclasses import replace

from doctor.compare import Change, changes
from doctor.facts import Absent, Job
from tests.doctor.healthy import BUNDLE, ENVIRONMENT, HEALTHY, INSTALLED, SYSTEM, VOLUMES


def test_versions_are_suspected_before_systems_and_disks() -> None:
    installed = {**INSTALLED, "numpy": "2.0.0"}
    del installed["omegaconf"]
    volumes = {**VOLUMES, "hub": replace(VOLUMES["hub"], path="/elsewhere")}
    after = replace(
        HEALTHY,
        environment=replace(ENVIRONMENT, installed=installed),
        system=replace(SYSTEM, version="27.2"),
        volumes=volumes,
        bundle=Absent(absent="gone"),
    )
    assert [str(change) for change in changes(HEALTHY, after)][:4] == [
        "environment.installed.numpy: 1.23.5 -> 2.0.0",
        "environment.installed.omegaconf: 2.3.0 -> nothing",
        "system.version: 15.6 -> 27.2",
        "volumes.hub.path: /data/hub -> /elsewhere",
    ]


def test_free_space_that_moved_a_little_is_no_change() -> None:
    def free(size: int) -> tuple[Change, ...]:
        volumes = {**VOLUMES, "hub": replace(VOLUMES["hub"], free=size)}
        return changes(HEALTHY, replace(HEALTHY, volumes=volumes))

    now = VOLUMES["hub"].free
    assert free(now - 1) == ()
    assert free(now // 10) == (Change(place="facts.volumes.hub.free", before=now, after=now // 10),)


def test_another_question_is_no_change_of_the_machine() -> None:
    assert changes(HEALTHY, replace(HEALTHY, job=Job(width=512))) == ()


def test_what_came_and_what_went() -> None:
    gone = changes(HEALTHY, replace(HEALTHY, bundle=Absent(absent="not given")))
    assert Change(place="facts.bundle.path", before=BUNDLE.path, after=None) in gone
    assert Change(place="facts.bundle.absent", before=None, after="not given") in gone
