from __future__ import annotations

from pathlib import Path

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.doctor.commands.convert_preflight import goal_of
from sdcoreml.doctor.core.facts import Goal
from tests.convert.stand_ins import job_of, write_model


def test_the_goal_has_the_size_of_the_largest_image(tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path / "cat"))
    jobs = [
        job_of(model, tmp_path / f"out{height}", "ORIGINAL", width=64, height=height)
        for height in (64, 96, 80)
    ]
    assert goal_of(jobs) == Goal(
        kind="convert",
        model=str(tmp_path / "cat"),
        output=str(tmp_path / "out96"),
        attention="ORIGINAL",
        height=768,
        width=512,
    )


def test_its_words_are_those_of_certificates(tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path / "cat"))
    job = job_of(model, tmp_path / "out", "SPLIT_EINSUM")
    assert f"unet, {goal_of([job]).attention}" == "unet, SPLIT_EINSUM"  # no name of an enumeration
