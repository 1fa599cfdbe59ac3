from __future__ import annotations

import argparse
from pathlib import Path

from convert.opening import open_model
from convert.plan import plan
from doctor.commands.convert_options import declare
from doctor.commands.convert_preflight import asked, goal_of
from doctor.facts import Job as Goal
from tests.convert.stand_ins import write_model


def test_the_goal_has_the_size_of_the_image(tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path / "cat"))
    assert goal_of(plan(model, tmp_path / "out", "ORIGINAL", {})) == Goal(
        goal="convert",
        model=str(tmp_path / "cat"),
        output=str(tmp_path / "out"),
        attention="ORIGINAL",
        height=128,
        width=128,
    )


def test_what_is_asked_is_known_before_there_is_an_environment() -> None:
    parser = argparse.ArgumentParser()
    declare(parser)
    words = ("models/cat", "--size", "512x512", "--size", "512x768", "--attention", "original")
    assert asked(parser.parse_args(words)) == Goal(
        goal="convert", model="models/cat", attention="ORIGINAL", height=768, width=512
    )
    assert asked(parser.parse_args(["x", "-o", "y"])) == Goal(model="x", output="y")
