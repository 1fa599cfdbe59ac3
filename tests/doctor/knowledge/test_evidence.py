"""What the judged logs say of each entry is what evidence.toml says."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import wrap

from sdcoreml.doctor.knowledge import Confidence, Failure, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.evidence import Evidence, find_evidence
from sdcoreml.doctor.knowledge.grounds import MANY
from sdcoreml.doctor.knowledge.needs import make_sieve
from sdcoreml.doctor.knowledge.ranking import Match
from sdcoreml.doctor.knowledge.reading import read
from sdcoreml.doctor.knowledge.searching import View
from sdcoreml.doctor.knowledge.structure import find_structure
from sdcoreml.doctor.knowledge.words import find_marks, find_words
from sdcoreml.doctor.knowledge.wrapping import join_wrapped
from tests.bench.diagnose import FOLDER, read_judged
from tests.golden import AGAIN

PATH = Path(__file__).parents[3] / "doctor/knowledge/evidence.toml"
HEAD = """\
# What the judged logs (tests/doctor/knowledge/logs) say of each entry: of how many each of its
# wordings named the cause, in the order of its patterns; of how many it would have named another;
# the words, and the names of exceptions, of the lines that told the cause.
# tests/doctor/knowledge/test_evidence.py writes this.
"""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judged logs say of one entry; counts are by the numbers of its wordings."""

    named: Counter[int] = field(default_factory=Counter)
    mistaken: Counter[int] = field(default_factory=Counter)
    words: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)


def judge() -> str:
    """Return the text of evidence.toml."""
    known = [replace(one, evidence=None) for one in entries()]
    judged = {one.id: Judgement() for one in sorted(known, key=lambda one: one.id)}
    for path in sorted(FOLDER.glob("*.toml")):
        for log in read_judged(path) if path.stem != "untried" else ():
            first = examine(log.text, known).cause
            for entry in find_matching(log.text, known):
                # Alone: what another entry tells better is not what this one tells.
                told = examine(log.text, [entry]).cause
                if told and entry.id in log.causes:
                    judged[entry.id].named[told.wording] += 1
                    judged[entry.id].words.update(find_words(told.text))
                    judged[entry.id].marks.update(find_marks(told.text))
                elif told and first and first.entry.id == entry.id and _is_told(told):
                    judged[entry.id].mistaken[told.wording] += 1
    return HEAD + "".join(write(name, one) for name, one in judged.items())


def _is_told(match: Match) -> bool:
    return match.confidence is not Confidence.GUESS


def find_matching(log: str, known: Sequence[Failure]) -> Iterator[Failure]:
    """Yield the entries that match anywhere in a log."""
    lines = read(log)
    structure, sieve = find_structure(lines), make_sieve(tuple(one.pattern for one in known))
    views = [View(one, structure, sieve) for one in (lines, join_wrapped(lines)) if one]
    yield from (one for one in known if any(view.find(one) for view in views))


def write(name: str, judged: Judgement) -> str:
    """Return the rows of an entry; "" if no judged log says anything of it."""
    rows = [
        f"{kind} = {[counts[at] for at in range(max(counts) + 1)]}\n"
        for kind, counts in (("named", judged.named), ("mistaken", judged.mistaken))
        if counts
    ]
    for kind, said in (("words", judged.words), ("marks", judged.marks)):
        told = wrap(" ".join(sorted(said)), 92)
        rows += [f'{kind} = """\\\n', *(f"{line} \\\n" for line in told), '"""\n'] if told else []
    return "".join([f"\n[{name}]\n", *rows]) if rows else ""


def test_the_evidence_is_that_of_the_judged_logs() -> None:
    text, kept = judge(), PATH.read_text("utf-8")
    if os.environ.get("GOLDEN") == "write":
        PATH.write_text(text, "utf-8")
    assert text == kept, AGAIN


def test_what_is_known_of_an_entry_is_read_with_its_own_words() -> None:
    known = find_evidence("family-no-memory", r"\bfrobs\b", "boom")
    assert known.named[0] >= MANY
    assert {"frobs", "boom", "memory"} <= known.words
    plain = find_evidence("no-such-entry", r"frob\.BarError: \(no\)", "boom")
    assert "BarError" in {mark.rpartition(".")[2] for mark in plain.marks}
    assert find_evidence("no-such-entry", "a", "b") == Evidence()
