from __future__ import annotations

from sdcoreml.doctor.knowledge.history import history
from sdcoreml.doctor.knowledge.names import names
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.versions import is_version, key


def test_the_history_is_one_of_versions_of_known_projects() -> None:
    known = history()
    for project, _ in (*known.since, *known.until):
        assert project in set(known.projects.values())
    assert all(is_version(bound) for bound in (*known.since.values(), *known.until.values()))
    assert not set(known.since) & set(known.until)
    assert all(key(known.until[name]) < key(again) for name, again in known.again.items())


def test_what_other_programs_use_as_much_is_dated_and_is_not_of_the_field() -> None:
    known = history()
    assert known.others
    assert set(known.others.items()) <= set(known.projects.items())
    assert not {normalise(one) for one in known.others} & names().toolchain
