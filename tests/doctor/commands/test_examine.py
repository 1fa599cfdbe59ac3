from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.commands.examine import preflight
from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.core.facts import Goal


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
