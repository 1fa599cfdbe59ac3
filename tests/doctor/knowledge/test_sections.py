"""What a log's own progress says of the failures before it."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

REFUSED = "[espresso] exception=ANECF error: failed to load ANE model. Error=x\n"
FAILED = "fatal: gave up\n"


def sure(log: str) -> Confidence | None:
    """Return how sure the first cause of a log is."""
    cause = examine(log, entries()).cause
    return cause.confidence if cause else None


@pytest.mark.parametrize(
    "progress",
    [
        "Step 0 of 10  [mean: 0.10, median: 0.10, last 0.10] step/sec\n",
        "Running MIL default pipeline: 100%|#####| 77/77 [00:01<00:00, 75.08 passes/s]\n",
    ],
)
def test_what_a_run_visibly_went_on_from_is_a_guess(progress: str) -> None:
    assert sure(REFUSED) is Confidence.CERTAIN
    assert sure(progress + REFUSED) is Confidence.CERTAIN
    assert sure(REFUSED + progress) is Confidence.GUESS


def test_work_done_before_a_failure_says_nothing_of_that() -> None:
    full = "OSError: [Errno 28] No space left on device\n"
    assert sure("Fetching 15 files: 100%|###| 15/15\n" + full) is Confidence.CERTAIN
    assert sure("step 3 of 10 is next\n" + full) is Confidence.CERTAIN
