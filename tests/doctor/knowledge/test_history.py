from __future__ import annotations

from sdcoreml.doctor.knowledge.history import history
from sdcoreml.lockfiles.versions import is_version, key


def test_the_history_is_one_of_versions_of_known_projects() -> None:
    known = history()
    for project, _ in (*known.since, *known.until):
        assert project in set(known.projects.values())
    assert all(is_version(bound) for bound in (*known.since.values(), *known.until.values()))
    assert not set(known.since) & set(known.until)
    assert all(key(known.until[name]) < key(again) for name, again in known.again.items())
