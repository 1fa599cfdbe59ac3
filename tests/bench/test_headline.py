from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.layout import read_model
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import take_apart
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.weights.source import open_checkpoint
from tests.bench.headline import ROWS, Row, verdicts
from tests.bench.models import FORMS, KINDS
from tests.bench.tree import TreeCost
from tools.certify.models import MODELS

COPY = TreeCost(cpu=10, wall=10, private=0)


def test_each_limit_of_a_row_has_a_verdict() -> None:
    row = Row(
        model="sd1",
        cpu=20,
        wall=10,
        megabytes=256,
        copies=1.2,
        more=("other", 15),
        slower=("other", 1.7),
    )
    cost = TreeCost(cpu=21, wall=10, private=255_900_000)
    assert list(verdicts(row, cost, COPY, {"other": COPY})) == [
        "MISSED CPU s: 21.0 <= 20",
        "met    s: 10.0 <= 10",
        "met    private MB: 255.9 <= 256",
        "MISSED x cp and sha256: 2.1 <= 1.2",
        "met    CPU s above other: 11.0 <= 15",
        "MISSED x the time of other: 1.00 >= 1.7",
    ]


def test_every_row_has_a_limit_and_a_model() -> None:
    for row in ROWS.values():
        assert list(verdicts(row, COPY, COPY, dict.fromkeys(ROWS, COPY)))
        assert row.model in MODELS
        assert row.form in FORMS


@pytest.mark.parametrize("form", ["folder", "shards"])
def test_a_folder_is_a_whole_model(tmp_path: Path, form: str) -> None:
    FORMS[form](tmp_path / "model", "sample")
    model = read_model(tmp_path / "model")
    assert (model.family, model.faults) == (Family.SD1, ())
    assert len(model.components["unet"].weights) == 1


def test_a_file_holds_every_tensor(tmp_path: Path) -> None:
    FORMS["file"](tmp_path / "model.safetensors", "sample")
    found = take_apart(open_checkpoint(tmp_path / "model.safetensors"), PredictionSource())
    assert found is not None
    assert (found.family, found.faults, found.ignored) == (Family.SD1, (), ())
    for name, config in MODELS["sample"].configs.items():
        shapes = {tensor.name: tensor.shape for tensor in found.parts[name].tensors}
        assert shapes == parameters(KINDS[name], config)
