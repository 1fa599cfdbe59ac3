from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.doctor.knowledge import (
    Confidence,
    Failure,
    Role,
    entries,
)
from sdcoreml.doctor.knowledge.diagnosis import (
    diagnose,
    examine,
)
from sdcoreml.doctor.knowledge.excerpts import WHOLE

ALL = entries()
BASE = Failure(
    id="base",
    topic="pins",
    role=Role.CAUSE,
    pattern="boom",
    example="boom",
    when={},
    last=False,
    cause="A cause.",
    fix="A fix.",
    checks=(),
    seen=(),
)

LOG = """\
scikit-learn version 1.3.1 is not supported. Minimum required version: 0.17. Maximum required \
version: 1.1.2. Disabling scikit-learn conversion API.
Traceback (most recent call last):
  File "diffusers/utils/dynamic_modules_utils.py", line 28, in <module>
ImportError: cannot import name 'cached_download' from 'huggingface_hub' (x.py)

The above exception was the direct cause of the following exception:

RuntimeError: Failed to import diffusers.pipelines.x because of the following error (look up):
"""


def ids(log: str, *known: Failure, **versions: str) -> list[str]:
    named = {name.replace("_", "-"): version for name, version in versions.items()}
    return [match.entry.id for match in diagnose(log, known or ALL, named)]


def test_the_innermost_cause_comes_first_then_wrappers_then_harmless_lines() -> None:
    assert ids(LOG) == [
        "hub-cached-download-removed",
        "diffusers-sub-import-clip-failed",
        "sklearn-untested-with-coremltools",
    ]


def test_of_two_causes_the_earlier_is_the_inner_one() -> None:
    other = replace(BASE, id="other", pattern="crash")
    assert ids("crash\nboom\n", BASE, other) == ["other", "base"]


def test_of_two_entries_on_a_line_the_special_one_wins() -> None:
    general = replace(BASE, id="general", pattern="bo+m")
    assert ids("boom", BASE, general) == ["base"]
    assert ids("booom", BASE, general) == ["general"]


def test_the_case_of_the_project_is_told_from_a_missing_file() -> None:
    unet = "OSError: Error no file named diffusion_pytorch_model.bin found in directory /m/unet."
    assert ids(unet) == ["sharded-unet-not-loadable"]
    other = "OSError: Error no file named model.safetensors found in directory /m/text_encoder."
    assert ids(other) == ["no-unet-weights-file"]


def test_versions_that_contradict_raise_a_doubt() -> None:
    entry = replace(BASE, when={"diffusers": "<0.29", "huggingface_hub": ">=0.26"})
    (match,) = diagnose("boom", [entry], {"huggingface-hub": "0.17.3", "diffusers": "0.23.1"})
    assert match.doubt == "huggingface_hub 0.17.3 here, this needs >=0.26"


def test_what_is_no_version_contradicts_nothing() -> None:
    log = "ImportError: cannot import name 'cached_download' from 'huggingface_hub'"
    (match,) = diagnose(log, entries(), {"huggingface-hub": "unknown"})
    assert match.doubt == ""


def test_a_doubted_entry_gives_way_to_one_that_fits() -> None:
    doubted = replace(BASE, id="doubted", when={"torch": "<2"})
    assert ids("boom", doubted, BASE, torch="2.2") == ["base"]
    assert ids("boom\ncrash", doubted, replace(BASE, id="c", pattern="crash"), torch="2.2") == [
        "c",
        "doubted",
    ]


def test_some_lines_mean_something_at_the_end_alone() -> None:
    last = replace(BASE, last=True)
    assert ids("boom\nSaved\n", last) == []
    assert ids("Saved\nboom\n", last) == ["base"]


def test_what_a_pattern_names_is_captured() -> None:
    (match,) = diagnose("ValueError: 21.3 dB is too low!", ALL)
    assert match.captured == {"db": "21.3"}


def test_progress_bars_and_windows_lines_are_lines() -> None:
    (match,) = diagnose("10%\r20%\r\nboom\r\n", [BASE])
    assert (match.line, match.text) == (3, "boom")


def test_a_failure_in_the_middle_of_a_huge_log_is_found_at_its_line() -> None:
    filler = "x" * 99 + "\n"
    lines = WHOLE // 100
    log = filler * lines + "Error: boom\n" + filler * lines
    (match,) = diagnose(log, [BASE])
    assert (match.line, match.text) == (lines + 1, "Error: boom")


@given(st.text())
def test_any_text_is_read_without_complaint(log: str) -> None:
    for match in diagnose(log, ALL):
        assert 1 <= match.line <= log.count("\n") + log.count("\r") + 1


TRACE = "Traceback (most recent call last):\n  File 'x.py', line 3\n    f()\n"
BOOM, CRASH = TRACE + "ValueError: boom\n", TRACE + "KeyError: 'crash'\n"
OTHER = replace(BASE, id="other", pattern="crash")
HANDLING = "\nDuring handling of the above exception, another exception occurred:\n\n"


def roles(log: str, *known: Failure) -> list[tuple[str, str]]:
    return [(match.entry.id, match.role.value) for match in diagnose(log, known)]


def test_of_a_chain_the_first_is_the_cause_and_the_others_follow() -> None:
    log = BOOM + HANDLING + CRASH
    assert roles(log, OTHER, BASE) == [("base", "cause"), ("other", "consequence")]
    assert roles(BOOM + CRASH, OTHER, BASE) == [("other", "cause"), ("base", "cause")], (
        "the last chain ended the run"
    )


def test_what_is_surer_comes_first_and_guesses_are_dropped_beside_it() -> None:
    likely = replace(BASE, confidence=Confidence.LIKELY)
    assert ids("boom\ncrash\n", likely, OTHER) == ["other", "base"]
    guess = replace(BASE, confidence=Confidence.GUESS)
    assert ids("boom\ncrash\n", guess, OTHER) == ["other"]
    assert ids("boom\n", guess, OTHER) == ["base"]
    assert ids("boom crash\n", guess, OTHER) == ["other"], "the surer one of a line"


def test_a_line_that_tells_of_a_failure_comes_before_any_other() -> None:
    assert ids("crash in the weather report\nerror: boom\n", OTHER, BASE) == ["base", "other"]


def test_a_notice_is_a_cause_only_where_a_run_failed_and_nothing_else_explains_it() -> None:
    notice = replace(OTHER, notice=True)
    assert roles("crash\nall went well\n", notice) == [("other", "harmless")]
    two = replace(notice, topic="family_pairs", example="x\ncrash")
    assert roles("crash\nboom\n", two, replace(BASE, role=Role.HARMLESS)) == [
        ("other", "harmless"),
        ("base", "harmless"),
    ]
    assert roles("crash\nall went well\n", two) == [("other", "cause")]
    assert roles("crash\nall went well\nindeed\n", two) == [("other", "harmless")]
    assert roles("crash\n", notice) == [("other", "harmless")], "healthy runs print it"
    assert roles("crash\n", replace(OTHER, role=Role.HARMLESS)) == [("other", "harmless")]
    assert roles("crash\nValueError: x\n", notice) == [("other", "cause")]
    assert roles("crash\nValueError: boom\n", notice, BASE) == [
        ("base", "cause"),
        ("other", "harmless"),
    ]
    assert diagnose("crash\nValueError: x", [notice])[0].confidence is Confidence.GUESS
    assert diagnose("ValueError: crash", [notice])[0].confidence is Confidence.LIKELY


def test_what_a_family_knows_of_a_line_before_the_exception_is_a_guess() -> None:
    family = replace(BASE, topic="family_python")
    log = "no boom here, so we go on\n" + CRASH
    assert [(one.entry.id, one.confidence) for one in diagnose(log, [family])] == [
        ("base", Confidence.GUESS)
    ]
    assert ids(log, family, OTHER) == ["other"]
    assert diagnose(BOOM, [family])[0].confidence is Confidence.CERTAIN
    assert diagnose(CRASH + "error: boom\n", [family])[0].confidence is Confidence.CERTAIN


def test_a_warning_is_a_guess_at_most() -> None:
    family = replace(BASE, topic="family_python")
    log = "Warning: boom\nValueError: x\n"
    assert diagnose(log, [family])[0].confidence is Confidence.GUESS
    assert diagnose("Warning: boom\n", [family])[0].role is Role.HARMLESS


def test_what_a_pattern_captured_is_in_the_cause() -> None:
    entry = replace(BASE, pattern="boom (?P<what>\\w+)", cause="No {what}.", fix="Get {who|it}.")
    (match,) = diagnose("boom here", [entry])
    assert (match.cause, match.fix) == ("No here.", "Get it.")


@pytest.mark.parametrize(
    ("log", "decisive"),
    [
        ("all went well\n", (1, "all went well")),
        ("", None),
        ("crash\nValueError: x\n", (2, "ValueError: x")),
        ("error: boom\nit ended\n", (1, "error: boom")),
    ],
)
def test_the_line_that_decides_is_that_of_the_cause_or_the_logs_own(
    log: str, decisive: tuple[int, str] | None
) -> None:
    line = examine(log, [BASE]).decisive
    assert (line and (line.number, line.text)) == decisive


def test_lines_that_a_terminal_broke_are_found() -> None:
    broken = "the failure that is told of in this log is called bo\nom, and it is one\n"
    (match,) = diagnose(broken, [BASE])
    assert (match.line, match.text) == (1, broken.replace("\n", "").strip())


def test_a_match_quotes_its_whole_line() -> None:
    (match,) = diagnose("one\n   before boom behind  \nthree", [BASE])
    assert (match.line, match.text) == (2, "before boom behind")
    (match,) = diagnose("boom at the end", [BASE])
    assert match.text == "boom at the end"


UNTESTED = (
    "Torch version 2.0.1 has not been tested with coremltools. You may run into unexpected errors."
    " Torch 2.0.0 is the most recent version that has been tested.\n"
)
ANECF = "[espresso] exception=ANECF error: failed to load ANE model. Error: Program load failure\n"
NO_CMAKE = "Traceback (most recent call last):\nRuntimeError: no cmake or cmake3 with version\n"


@pytest.mark.parametrize(
    ("log", "name", "line"),
    [
        (f"{UNTESTED}INFO:__main__:Converting unet\nKilled\n", "family-killed-for-memory", 3),
        (f"{ANECF}[coreml] Error plan build: -1.\n", "ane-compiler-stuck", 1),
        (NO_CMAKE, "family-build-failed", 2),
    ],
)
def test_what_a_later_look_at_public_threads_found(log: str, name: str, line: int) -> None:
    cause = examine(log, entries()).cause
    assert cause is not None
    assert (cause.entry.id, cause.line) == (name, line)


BUILD = """\
  \u00d7 Getting requirements to build wheel did not run successfully.
  \u2570\u2500> [4 lines of output]
      Traceback (most recent call last):
        File "<string>", line 23, in <module>
      ModuleNotFoundError: No module named 'torch'
      [end of output]
"""


def test_what_a_build_misses_is_not_missing_in_the_environment() -> None:
    found = examine(BUILD, ALL)
    assert found.cause is not None
    assert found.cause.entry.id == "build-asks-for-package"
    assert found.cause.confidence is Confidence.LIKELY


def test_of_the_places_of_a_failure_the_one_that_ended_the_run_is_taken() -> None:
    log = "warning: boom\n" + BOOM
    (match,) = diagnose(log, [BASE])
    assert match.line == 5
