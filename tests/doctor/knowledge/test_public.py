"""What is said of public failures, whole and damaged; tests.bench.diagnose prints the figures."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.bench.diagnose import FOLDER, Judged, find_faults, is_named, is_wrong, read_judged
from tests.bench.left_out import find_akin, find_misled, is_akin
from tests.bench.strangers import find_confused

BUILT = (*read_judged(FOLDER / "built.toml"), *read_judged(FOLDER / "mended.toml"))
OTHERS = (*read_judged(FOLDER / "held.toml"), *read_judged(FOLDER / "last.toml"))


@pytest.mark.parametrize("log", BUILT, ids=lambda log: log.source)
def test_the_cause_of_a_failure_that_the_families_were_made_from_is_named_first(
    log: Judged,
) -> None:
    found = examine(log.text, entries())
    assert is_named(log, found) or not log.causes
    assert found.decisive is not None


def test_damaged_logs_are_read_and_never_certain_of_another_cause() -> None:
    assert list(find_faults(BUILT, 40, seed=7)) == []


def test_of_strangers_the_same_is_never_said_as_surely() -> None:
    known = [log for path in sorted(FOLDER.glob("*.toml")) for log in read_judged(path)]
    assert list(find_confused(known, 120, seed=3)) == []


def test_of_a_failure_of_a_new_kind_next_to_nothing_is_said_as_surely() -> None:
    known = [log for path in sorted(FOLDER.glob("*.toml")) for log in read_judged(path)]
    misled, akin = list(find_misled(known)), find_akin(known)
    strange = [log.source for log, cause in misled if not is_akin(log, cause, akin)]
    assert len(misled) < 0.08 * len(known)  # tests.bench.diagnose names them
    assert len(strange) < 0.03 * len(known), strange


def test_of_those_collected_later_none_is_told_another_cause_and_most_are_named() -> None:
    found = {log: examine(log.text, entries()) for log in OTHERS if log.causes}
    assert not any(is_wrong(log, one) for log, one in found.items())
    assert sum(is_named(log, one) for log, one in found.items()) > 0.9 * len(found)


def test_of_those_collected_last_none_is_told_another_cause_and_most_are_named() -> None:
    names = ("fresh", "fresh4", "fresh5", "later", "pairs", "halves", "parts", "tools")
    logs = [log for name in names for log in read_judged(FOLDER / f"{name}.toml")]
    found = {log: examine(log.text, entries()) for log in logs}
    assert not [log.source for log, one in found.items() if is_wrong(log, one)]
    assert all(one.decisive is not None for log, one in found.items() if log.causes)
    assert sum(is_named(log, one) for log, one in found.items()) > 0.85 * len(found)
