"""What programs do without is never told as the cause of what failed beside it."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, Role, entries
from sdcoreml.doctor.knowledge.asides import find_asides
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.reading import read
from tests.bench.beside import ASIDES, BEFORE, find_drowned
from tests.bench.diagnose import FOLDER, read_judged

FULL = """\
Traceback (most recent call last):
  File "convert.py", line 80, in <module>
    shutil.copytree(path, target)
OSError: [Errno 28] No space left on device: 'Unet.mlpackage'
"""
KILLED = "zsh: killed     python convert.py\n"


@pytest.mark.parametrize("name", sorted(ASIDES))
@pytest.mark.parametrize(("log", "cause"), [(FULL, "disk-full"), (KILLED, "oom-killed")])
def test_an_aside_hides_no_failure(name: str, log: str, cause: str) -> None:
    before, behind = ASIDES[name] + log, log + ASIDES[name]
    for text in (before,) if name in BEFORE else (before, behind):
        found = examine(text, entries()).cause
        assert found is not None
        assert found.entry.id.removeprefix("family-") == cause


@pytest.mark.parametrize("name", sorted(ASIDES))
def test_an_aside_alone_is_a_guess_at_most(name: str) -> None:
    cause = examine(ASIDES[name], entries()).cause
    assert cause is None or cause.confidence is not Confidence.CERTAIN


def test_next_to_no_judged_log_is_told_another_cause_between_asides() -> None:
    known = [log for path in sorted(FOLDER.glob("*.toml")) for log in read_judged(path)]
    drowned = list(find_drowned(known, 120, seed=5))
    assert len(drowned) <= 3, drowned  # two of them are an aside alone, or end in a retry


def test_what_is_harmless_is_still_told_beside_the_cause() -> None:
    found = examine(f"No module 'xformers'. Proceeding without it.\n{FULL}", entries())
    assert [one.role for one in found.matches if one.line == 1] in ([], [Role.HARMLESS])
    assert found.cause is not None
    assert found.cause.line == 5


def test_an_extension_that_was_not_loaded_is_the_cause_of_a_log_that_tells_nothing_else() -> None:
    found = examine(ASIDES["comfynode"], entries()).cause
    assert found is not None
    assert "insightface" in found.cause


def test_what_was_missing_is_no_cause_once_it_was_installed() -> None:
    missing = ASIDES["installed"].partition("Successfully")[0]
    for text, asides in ((ASIDES["installed"], [{1, 2, 3, 4}]), (missing, [])):
        assert list(find_asides(read(text))) == asides


def test_a_request_that_was_tried_again_is_a_cause_if_nothing_came_of_it() -> None:
    failed = ASIDES["retry"].partition("Fetching")[0]
    assert list(find_asides(read(failed))) == []
    assert list(find_asides(read(ASIDES["retry"]))) == [{1, 2}]


def test_the_warning_of_numpy_is_one_cause_with_the_import_that_then_failed() -> None:
    failed = "ImportError: numpy.core.multiarray failed to import\n"
    found = examine(ASIDES["numpybanner"] + failed, entries()).cause
    assert found is not None
    assert found.entry.id in {"numpy2-abi", "family-abi"}
    assert list(find_asides(read(ASIDES["numpybanner"] + failed))) == []


def test_first_all_asides_are_left_out_and_then_the_idle_ones() -> None:
    text = f"libpng warning: iCCP: known incorrect sRGB profile\n{ASIDES['gradio']}"
    assert list(find_asides(read(text))) == [{1, 2}, {1}]
    assert list(find_asides(read("Saved.\n"))) == list(find_asides(())) == []


def test_a_part_that_is_none_in_a_thread_is_not_why_the_model_did_not_load() -> None:
    thread = """\
Exception in thread Thread-8 (load_model):
Traceback (most recent call last):
  File "/s/modules/devices.py", line 165, in first_time_calculation
    linear(x)
AttributeError: 'NoneType' object has no attribute 'to'
"""
    found = examine(FULL + thread, entries()).cause
    assert found is not None
    assert found.entry.id == "disk-full"
    alone = examine(thread, entries()).cause
    assert alone is None or alone.line == 5
