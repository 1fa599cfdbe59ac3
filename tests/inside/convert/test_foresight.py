"""What a conversion tells as it works is what was foreseen from the headers of its weights."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.worker import Worker
from sdcoreml.doctor.proving.miniature import write_miniature
from sdcoreml.ground.events import Event
from tests.convert.stand_ins import MADE_IN, job_of


@pytest.mark.parametrize("recipe", [None, {"bits": 4}])
def test_all_the_work_is_foreseen(
    tmp_path: Path, recipe: dict[str, Any] | None, worker: Worker
) -> None:
    write_miniature(tmp_path / "sample")
    model = open_model(tmp_path / "sample")
    jobs = [
        job_of(model, tmp_path / f"{side}", height=side, width=16, recipe=recipe)
        for side in (16, 24)
    ]
    workshop = Workshop(
        runner=worker,
        toolchain=MADE_IN,
        policy=ProofPolicy(reason="this is about something else"),
    )
    told: list[Event] = []
    convert_models(jobs, workshop, told.append)
    (plan,) = (event for event in told if event.kind == "plan")
    assert isinstance(plan.data, dict)
    done: Counter[str] = Counter()
    for event in told:
        if event.kind == "labour":
            done[event.text] += event.done
    for kind, amount in plan.data["amounts"].items():
        if kind != "hash":  # of so small a model, the graphs are the larger part
            slack = (
                0.3 if kind in {"draw", "compile"} else 0.05
            )  # a compressed weight has two records
            assert done[kind] == pytest.approx(amount, rel=slack), kind
