"""Which predictions and noise schedules an app cannot follow, and how that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.bundle.noise import refuse_difference, refuse_prediction, refuse_schedule
from sdcoreml.ground.errors import UnsupportedError

HERE = Path("cat")


@pytest.mark.parametrize("kind", [None, "epsilon", "v_prediction"])
def test_what_gives_noise_is_no_fault(kind: str | None) -> None:
    assert refuse_prediction(kind, HERE) is None


def test_another_prediction_is_refused_with_what_to_do() -> None:
    fault = refuse_prediction("sample", HERE)
    assert fault is not None
    assert (fault.where, fault.what, fault.error) == (
        "cat",
        "its UNet predicts 'sample', from which this converter cannot compute noise",
        UnsupportedError,
    )
    assert fault.remedy == "if it predicts something else, say what with --prediction-type"


def test_another_schedule_is_refused_unless_it_is_accepted() -> None:
    assert refuse_schedule({}, HERE) is None
    assert refuse_difference("", HERE) is None
    fault = refuse_difference("its schedule is another", HERE)
    assert fault is not None
    assert (fault.where, fault.what, fault.error) == (
        "cat",
        "its schedule is another",
        UnsupportedError,
    )
    assert fault.remedy.endswith(" converts it anyway, but its pictures will be wrong")
    assert refuse_schedule({"beta_start": 0.5}, HERE) is not None
