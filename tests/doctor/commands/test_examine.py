from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.commands.examine import BESIDES_MODEL, preflight
from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.core.facts import Goal
from tests.odd import base


def test_before_a_build_the_environment_of_old_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    report = preflight(Goal(kind="env"), rebuild=True)
    assert not {"environment", "verification", "smoke"} & set(report.costs)
    assert "interpreter" in report.costs
    named = preflight(Goal(kind="env"), rebuild=True, python="/x/python")
    (found,) = [result for result in named.results if result.id == "PY003"]
    assert found.status is Status.UNKNOWN, "whoever names a Python has it judged by the build"


def test_a_model_that_was_judged_with_its_options_is_not_judged_again_without(
    tmp_path: Path,
) -> None:
    model = base.write_folder(tmp_path / "model", "sdxl")
    base.edit(model / "scheduler" / "scheduler_config.json", rescale_betas_zero_snr=True)
    goal = Goal(kind="convert", model=str(model))
    (alone,) = preflight(goal).verdicts
    assert "MOD009" in alone.because
    (accepted,) = preflight(goal, families=BESIDES_MODEL).verdicts  # --accept-schedule
    assert not [name for name in accepted.because if name.startswith("MOD")]
