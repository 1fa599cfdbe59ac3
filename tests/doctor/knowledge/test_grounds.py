from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.evidence import Evidence
from sdcoreml.doctor.knowledge.grounds import MANY, PROVEN, RIGHT, Ground, weigh, weigh_wording
from tests.doctor.knowledge.test_diagnosis import BASE

CERTAIN, LIKELY, GUESS = Confidence.CERTAIN, Confidence.LIKELY, Confidence.GUESS
FAMILY = replace(BASE, topic="family_models", pattern="boom|crash", example="boom")
FOUR = dict.fromkeys((Ground.WORDING, Ground.RECORD, Ground.PLACE, Ground.WORDS), True)
THREE = {**FOUR, Ground.RECORD: None}
TWO = {**THREE, Ground.WORDS: None}


@pytest.mark.parametrize(
    ("grounds", "most", "sure"),
    [
        (FOUR, CERTAIN, CERTAIN),
        (FOUR, LIKELY, LIKELY),
        (THREE, CERTAIN, CERTAIN),
        (TWO, CERTAIN, LIKELY),
        ({Ground.PLACE: True}, CERTAIN, GUESS),
        ({}, CERTAIN, GUESS),
        ({**FOUR, Ground.NAME: False}, CERTAIN, GUESS),
        ({**FOUR, Ground.CODE: None}, CERTAIN, CERTAIN),
    ],
)
def test_a_cause_is_as_sure_as_its_grounds(
    grounds: Mapping[Ground, bool | None], most: Confidence, sure: Confidence
) -> None:
    assert weigh(grounds, most) is sure


def wording(named: int, mistaken: int = 0, words: str = "boom", line: str = "boom") -> list[object]:
    evidence = Evidence(named=(0, named), mistaken=(0, mistaken), words=frozenset(words.split()))
    told = weigh_wording(replace(FAMILY, evidence=lambda: evidence), 1, line)
    return [told[Ground.WORDING], told[Ground.RECORD], told[Ground.WORDS]]


def test_a_wording_is_judged_by_the_logs_that_had_it() -> None:
    assert wording(PROVEN - 1) == [None, None, True], "that nobody knows speaks against nothing"
    assert wording(PROVEN) == [True, None, True]
    assert wording(MANY) == [True, True, True]
    assert wording(RIGHT * MANY, 1) == [True, None, True], "it had another cause once"
    assert wording(RIGHT - 1, 1) == [False, None, True]
    assert wording(MANY, line="boom of all the frobs") == [True, True, False]


def test_a_mark_that_no_judged_log_had_speaks_against_a_family() -> None:
    known = replace(FAMILY, evidence=lambda: Evidence(named=(9,), marks=frozenset({"SSLError"})))
    assert weigh_wording(known, 0, "SSLError: boom")[Ground.MARKS] is None
    assert weigh_wording(known, 0, "OSError: boom")[Ground.MARKS] is None
    assert weigh_wording(known, 0, "ProxyError: boom")[Ground.MARKS] is False
    single = replace(BASE, evidence=Evidence)
    assert weigh_wording(single, 0, "ProxyError: boom")[Ground.MARKS] is None


def test_an_entry_that_nobody_judged_has_nothing_against_it() -> None:
    assert set(weigh_wording(FAMILY, 0, "x").values()) == {True}


def test_a_single_failure_was_made_from_a_log_of_its_own() -> None:
    once = replace(BASE, evidence=Evidence)
    assert weigh_wording(once, 0, "boom of all the frobs")[Ground.WORDING] is True
    wrong = replace(BASE, evidence=lambda: Evidence(mistaken=(1,)))
    assert weigh_wording(wrong, 0, "boom")[Ground.WORDING] is False


def test_a_single_failure_s_words_speak_for_it_only_where_a_line_has_many_of_them() -> None:
    short = replace(BASE, pattern="boom", evidence=Evidence)
    assert weigh_wording(short, 0, "boom of all the frobs")[Ground.WORDS] is None
    long = replace(BASE, pattern="boom of all", evidence=Evidence)
    assert weigh_wording(long, 0, "that is a boom of all the frobs, but")[Ground.WORDS] is None
    long = replace(BASE, pattern="boom goes the dynamite", evidence=Evidence)
    line = "while frobbing foo and bar a boom goes the dynamite"
    assert weigh_wording(long, 0, line)[Ground.WORDS] is True


def told(log: str) -> tuple[str, Confidence] | None:
    cause = examine(log, entries()).cause
    return (cause.entry.id, cause.confidence) if cause else None


FRAME = 'Traceback (most recent call last):\n  File "{}", line 3, in f\n    f()\n'
SITE = "/venv/lib/python3.10/site-packages"
SHAPES = (
    "RuntimeError: Error(s) in loading state_dict for X:\n\tsize mismatch for a.weight: copying a"
    " param with shape torch.Size([9]) from checkpoint, the shape in current model is"
    " torch.Size([1]).\n"
)


@pytest.mark.parametrize(
    ("file", "sure"),
    [
        (f"{SITE}/torch/nn/modules/module.py", LIKELY),
        (f"{SITE}/flask/app.py", GUESS),
        ("/me/stable-diffusion-webui/extensions/frobs/train.py", GUESS),
        ("my.py", GUESS),
    ],
)
def test_what_is_about_models_is_sure_only_of_code_that_reads_some(
    file: str, sure: Confidence
) -> None:
    assert told(FRAME.format(file) + SHAPES) == ("family-state-dict-shapes", sure)


def test_a_full_disk_is_the_same_in_any_program() -> None:
    log = FRAME.format(f"{SITE}/flask/app.py") + "OSError: [Errno 28] No space left on device\n"
    assert told(log) == ("disk-full", CERTAIN)


@pytest.mark.parametrize(
    ("line", "name", "sure"),
    [
        ("ModuleNotFoundError: No module named 'einops'", "family-module-missing", LIKELY),
        ("ModuleNotFoundError: No module named 'frobnik'", "family-module-missing", GUESS),
        ("ModuleNotFoundError: No module named 'pdb'", "family-module-missing", GUESS),
        ("AttributeError: module 'torch' has no attribute 'frob'", "family-import-name", GUESS),
        ("AttributeError: module 'torch' has no attribute '_six'", "family-import-name", LIKELY),
    ],
)
def test_what_nobody_knows_is_told_as_a_guess(line: str, name: str, sure: Confidence) -> None:
    assert told(line + "\n") == (name, sure)


def test_what_nobody_knows_is_not_named_as_if_it_were_known() -> None:
    cause = examine("ModuleNotFoundError: No module named 'frobnik'\n", entries()).cause
    assert cause is not None
    assert cause.cause.startswith("A package is not installed")
    assert cause.captured["module"] == "frobnik", "what the log says is kept"
