from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sdcoreml.convert.models.layout import read_model
from sdcoreml.doctor.commands.jobs_batch import name_of
from tests.convert.stand_ins import write_model


@pytest.mark.parametrize(
    ("name", "output", "labels", "named"),
    [
        (None, None, [], None),
        ("dog", None, [], "dog"),
        (None, None, ["soft", "v2"], "cat-soft-v2"),
        ("dog", None, ["soft"], "dog-soft"),
        ("dog", Path("out"), ["soft"], "dog"),
        (None, Path("out"), ["soft"], None),
    ],
)
def test_a_folder_has_the_labels_of_its_choices_unless_it_has_a_name_of_its_own(
    tmp_path: Path, name: str | None, output: Path | None, labels: list[str], named: str | None
) -> None:
    model = read_model(write_model(tmp_path / "cat"))
    assert name_of(argparse.Namespace(name=name, output=output), model, labels) == named
