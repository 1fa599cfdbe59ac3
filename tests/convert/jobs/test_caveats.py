from __future__ import annotations

from pathlib import Path

from sdcoreml.convert.jobs.caveats import warn
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.ground.events import Event
from tests.convert.stand_ins import job_of, write_model


def test_what_mochi_will_not_offer_is_said_before_anything_is_built(tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path / "cat"))
    halves = job_of(model, tmp_path / "a", chunk=True, controlled=True)
    told: list[Event] = []
    warn([halves, halves, job_of(model, tmp_path / "b", chunk=True)], told.append)
    (sentence,) = (event.text for event in told)
    assert sentence.startswith("Mochi Diffusion cannot use ControlNets")
