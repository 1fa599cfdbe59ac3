"""Each known failure that can be predicted is predicted by the checks in its entry."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.core.engine import examine
from sdcoreml.doctor.knowledge import Failure, entries
from sdcoreml.doctor.knowledge.topics import CLASHES, FAMILIES
from sdcoreml.lockfiles.versions import satisfies
from tests.doctor.faults import BY_ID, FAULTS, clash, found_in_time, inside

MARKED = [entry for entry in entries() if entry.checks and entry.topic not in FAMILIES]


def test_every_failure_that_can_be_seen_coming_has_its_specimen() -> None:
    assert set(FAULTS) == {entry.id for entry in MARKED if entry.topic != CLASHES}
    assert len(MARKED) >= 128


@pytest.mark.parametrize("entry", MARKED, ids=lambda entry: entry.id)
def test_it_is_found_in_time(entry: Failure) -> None:
    assert found_in_time(entry)


@pytest.mark.parametrize(
    "entry", [entry for entry in MARKED if entry.topic == CLASHES], ids=lambda entry: entry.id
)
def test_a_clash_is_called_by_its_name(entry: Failure) -> None:
    (result,) = examine(clash(entry), [BY_ID["PIN005"]]).results
    assert any(entry.id in finding.what for finding in result.findings)


@pytest.mark.parametrize(
    ("specifier", "version"),
    [
        (">=0.26", "0.26"),
        ("==7.2", "7.2"),
        ("<0.29", "0.28.999"),
        ("<2.0", "1.999"),
        (">2.1", "2.1.1"),
        (">=2.0,<2.3", "2.0"),
    ],
)
def test_versions_inside_a_range(specifier: str, version: str) -> None:
    assert inside(specifier) == version
    assert satisfies(version, specifier)
