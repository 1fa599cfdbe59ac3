"""Every known failure is recognised in its own example line; its ids and versions are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sdcoreml.doctor.knowledge import (
    APART,
    Confidence,
    Failure,
    Role,
    entries,
    read,
)
from sdcoreml.doctor.knowledge.diagnosis import diagnose
from sdcoreml.doctor.knowledge.stages import Stage
from sdcoreml.doctor.knowledge.topics import CLASHES, FAMILIES, FILES
from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.versions import satisfies

ALL = entries()
FOLDER = Path(__file__).parents[2] / "doctor/knowledge"
SKEW = "family_skew"
"""How sure these are depends on what is known of the packages in the log."""


def test_all_files_are_listed_and_all_ids_differ() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == {
        *FILES,
        *FAMILIES,
        "history",
        "evidence",
        "tensors",
        "names",
        "languages",
        "untyped",
    }
    assert len({entry.id for entry in ALL}) == len(ALL) >= 141


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.id)
def test_entry_is_what_its_example_is_diagnosed_as(entry: Failure) -> None:
    first, *_ = diagnose(entry.example, ALL)
    assert first.entry.id == entry.id
    if entry.confidence is Confidence.CERTAIN and not entry.notice and entry.topic != SKEW:
        # Where a consequence stands in the log is no ground for it.
        follows = entry.role is Role.CONSEQUENCE
        sure = {Confidence.CERTAIN, Confidence.LIKELY} if follows else {Confidence.CERTAIN}
        assert (first.role, first.confidence in sure) == (entry.role, True)


def test_entries_are_well_formed() -> None:
    """One test for all: a thousand tests take longer than what they check."""
    for entry in ALL:
        re.compile(entry.pattern)
        assert re.fullmatch(r"[a-z0-9-]+", entry.id)
        assert entry.cause.endswith("."), entry.id
        assert "\n" not in entry.cause + entry.fix, entry.id
        for specifier in entry.when.values():
            satisfies("1.0", specifier)
        assert entry.topic != CLASHES or entry.when, f"{entry.id}: a clash is one of versions"
        is_something = "nothing to do" not in entry.fix.lower()
        assert entry.role is not Role.CAUSE or is_something, entry.id


def test_of_every_place_in_a_text_there_is_something_that_fills_it() -> None:
    """That is a group of the pattern, or of the case's; or a module names what it finds."""
    named = "".join(path.read_text("utf-8") for path in FOLDER.glob("*.py"))
    for entry in ALL:
        texts = [(entry.cause + entry.fix, entry.pattern)]
        texts += [
            (one.cause + one.fix, entry.pattern + one.pattern + one.beside) for one in entry.cases
        ]
        for text, pattern in texts:
            groups = {one.partition(APART)[0] for one in re.findall(r"\(\?P<(\w+)>", pattern)}
            empty = {*re.findall(r"\{(\w+)\|", text)} - groups
            assert {one for one in empty if f'"{one}"' not in named} == set(), entry.id


ENDS = {"stopped-while-loading", "comfy-flag-wants-package"} | {
    "comfy-ended-without-word",
    "comfy-security-alert",
    "comfy-wrong-script",
    "easy-diffusion-start-ended",
    "forge-ended-while-loading",
}


def test_an_example_inside_a_long_log_is_found_at_its_line() -> None:
    noise = "INFO:__main__:Converting...\n" * 50
    for entry in ALL:
        # What is a notice, only a frame, or ends a log tells nothing in the middle of another one.
        is_of_an_end = entry.last or entry.notice or entry.stage is Stage.CUT
        if not (is_of_an_end or entry.id in {"family-swift-frame"} | ENDS):
            match = diagnose(noise + entry.example + "\n" + noise, ALL)[0]
            assert match.entry.id == entry.id
            assert match.line - 51 in range(entry.example.count("\n") + 1)


def test_faults_of_a_file_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    strange = 'cause = "{who}"\nsymptom = "odd"\nconfidence = "sure"\nstage = "last"\n'
    path.write_text(f'[[entry]]\nid = "a"\nrole = "bad"\nfixx = "x"\n{strange}[[entry]]\nid = 3\n')
    with pytest.raises(LockfileError) as caught:
        read(path)
    message = str(caught.value)
    assert "entry[0].role 'bad' is none of cause, consequence, harmless" in message
    assert "entry[0].symptom 'odd' is none of absence, outcome" in message
    assert "entry[0].confidence 'sure' is none of certain, likely, a guess" in message
    assert "entry[0].stage 'last' is none of " in message
    assert "entry[0].fixx is not a field of an entry" in message
    assert "entry[0].{who} has no bar, behind which stands what is said without it" in message
    assert "entry[1].id is 3, not a str" in message
    assert "entry[1].pattern is missing" in message


def test_a_family_is_certain_only_where_it_says_so() -> None:
    families = [one for one in ALL if one.topic in FAMILIES]
    sure = {one.id for one in families if one.confidence is Confidence.CERTAIN}
    assert sure == {
        *("family-cuda", "family-cuda-build-wanted", "family-half-on-cpu", "family-mps-size"),
        *("family-no-memory", "family-no-platform-wheel", "family-port-in-use", "paging-file"),
    }
