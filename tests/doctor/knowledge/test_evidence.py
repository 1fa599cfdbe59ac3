"""How many judged logs each wording of a family named is what evidence.toml says."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from sdcoreml.doctor.knowledge import FAMILIES, PROVEN, Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.excerpts import choose_telling
from sdcoreml.doctor.knowledge.reading import read
from sdcoreml.doctor.knowledge.searching import View
from sdcoreml.doctor.knowledge.structure import find_structure
from sdcoreml.doctor.knowledge.wrapping import join_wrapped
from tests.bench.diagnose import FOLDER, read_judged
from tests.golden import AGAIN

PATH = Path(__file__).parents[3] / "doctor/knowledge/evidence.toml"
HEAD = """\
# Of how many judged logs (tests/doctor/knowledge/logs) each wording of a family named the cause, in
# the order of its patterns. tests/doctor/knowledge/test_evidence.py writes this file.

[named]
"""


def count_judged() -> Counter[tuple[str, int]]:
    """Count the judged logs that have each wording of a family which is their cause."""
    families = {one.id: one for one in entries() if one.topic in FAMILIES}
    counts = Counter[tuple[str, int]]()
    for path in sorted(FOLDER.glob("*.toml")):
        for log in read_judged(path) if path.stem != "untried" else ():
            lines = read(log.text)
            structure = find_structure(lines)
            views = [
                View(choose_telling(one), structure) for one in (lines, join_wrapped(lines)) if one
            ]
            for name in families.keys() & set(log.causes):
                found = next(filter(None, (view.find(families[name]) for view in views)), None)
                if found:
                    counts[name, found.wording] += 1
    return counts


def test_the_evidence_is_that_of_the_judged_logs() -> None:
    counts = count_judged()
    names = sorted({name for name, _ in counts})
    last = {name: max(at for one, at in counts if one == name) for name in names}
    rows = (f"{name} = {[counts[name, at] for at in range(last[name] + 1)]}\n" for name in names)
    text = HEAD + "".join(rows)
    kept = PATH.read_text("utf-8")
    if os.environ.get("GOLDEN") == "write":
        PATH.write_text(text, "utf-8")
    assert text == kept, AGAIN


def test_what_too_few_judged_logs_have_is_a_guess() -> None:
    entry = next(one for one in entries() if one.id == "family-tokenizer-damaged")
    log = "Exception: data did not match any variant of untagged enum ModelWrapper\n"
    sure = {
        count: (cause := examine(log, [replace(entry, judged=(count,))]).cause) and cause.confidence
        for count in (0, PROVEN - 1, PROVEN)
    }
    assert sure == {0: Confidence.GUESS, PROVEN - 1: Confidence.GUESS, PROVEN: Confidence.LIKELY}


def test_of_several_wordings_the_one_that_matched_counts() -> None:
    entry = next(one for one in entries() if one.id == "family-access-denied")
    assert entry.judged is not None
    assert entry.is_proven(0)
    assert not replace(entry, judged=(0, PROVEN)).is_proven(0)
    assert replace(entry, judged=(0, PROVEN)).is_proven(1)
    assert not replace(entry, judged=(0, PROVEN)).is_proven(2), "no judged log has it"
    assert replace(entry, judged=None).is_proven(2), "none need to"
