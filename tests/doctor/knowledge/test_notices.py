from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.notices import find_dismissed, goes_on, is_softened, is_warning
from sdcoreml.doctor.knowledge.reading import read


@pytest.mark.parametrize(
    "text",
    [
        "Optional node x import failed: No module named 'moviepy'. This can be ignored.",
        "An error occurred while trying to fetch /m/unet: Error no file named model.safetensors",
        "Error: no access to the log (Permission denied); falling back to the console",
        "rm: cannot remove 'x': No such file or directory",
        "Error: no space left on device, falling back to memory",
    ],
)
def test_a_line_that_says_that_the_run_goes_on_is_no_cause(text: str) -> None:
    assert goes_on(text)
    assert is_warning(text)
    assert is_softened(text)
    found = examine(text + "\nSaved.\n", entries())
    assert found.cause is None


@pytest.mark.parametrize("text", ["ValueError: x", "No module named 'x'", ""])
def test_other_lines_do_not(text: str) -> None:
    assert not goes_on(text)
    assert not is_warning(text)


def test_a_full_disk_is_a_cause_whatever_is_skipped() -> None:
    log = "cp: error writing 'x': No space left on device, skipping\n"
    cause = examine(log, entries()).cause
    assert cause is not None
    assert (cause.entry.id, cause.confidence.value) == ("family-disk-full", "likely")


def test_a_line_is_dismissed_by_the_next() -> None:
    log = "Error: [Errno 30] Read-only file system: '/x'\nContinuing without it.\nSaved.\n"
    assert find_dismissed(read(log)) == {1}
    assert examine(log, entries()).cause is None


def test_what_fails_behind_such_a_line_is_the_cause() -> None:
    log = "Optional module x: No module named 'x'\nOSError: [Errno 28] No space left on device\n"
    found = examine(log, entries()).cause
    assert found is not None
    assert found.line == 2
