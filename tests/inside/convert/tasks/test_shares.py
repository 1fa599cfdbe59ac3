"""A build that several processes share writes the same bytes as one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.tasks import shares
from sdcoreml.convert.tasks.build import task
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import silent
from tests.inside.convert.programs.models import checkpoint
from tests.odd.base import safetensors

NEWER = {"target": "macOS15"}
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "fp32": {"options": {"precision": "fp32"}},
    "6 bits": {"recipe": {"bits": 6}},
    "halves": {"recipe": {"bits": 4}, "chunk": True},
    "groups": {"recipe": {"bits": 2, "group_size": 16}, "options": NEWER},
    "steps": {"recipe": {"bits": 1, "method": "uniform"}},
    "integers": {"recipe": {"bits": 8, "method": "linear"}},
}


def request(folder: Path, output: Path, workers: int, more: dict[str, Any]) -> dict[str, Any]:
    """Return the request to build the small UNet twice, with two sizes of images."""
    made = checkpoint("unet", folder)
    config = folder / "config.json"
    config.write_text(json.dumps(made.config), encoding="utf-8")
    options = more.get("options", {})
    programs = [
        {
            "component": "unet",
            "package": str(output / f"{side}.mlpackage"),
            **more,
            "options": {**options, "height": side, "width": 8},
        }
        for side in (8, 16)
    ]
    weights = str(made.weights)
    component = {"config": str(config), "weights": weights, "programs": programs}
    return {"components": [component], "workers": workers}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# Two helpers do all that one does, and share between them: so one helper alone is tried once.
@pytest.mark.parametrize(
    ("form", "crews"),
    [("6 bits", (1, 2, 3)), *((form, (1, 3)) for form in FORMS if form != "6 bits")],
)
def test_the_number_of_workers_changes_no_byte(
    form: str, crews: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "WORTH", 0)
    monkeypatch.setattr(shares, "_AT_ONCE", 1 << 16)
    found = []
    for workers in crews:
        output = tmp_path / str(workers)
        output.mkdir()
        task(request(tmp_path, output, workers, FORMS[form]), silent)
        found.append(contents(output))
    assert len(found[0]) == (12 if form == "halves" else 6)
    assert all(other == found[0] for other in found[1:])


def test_a_bad_weight_is_told_by_whoever_finds_it_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "WORTH", 0)
    output = tmp_path / "out"
    output.mkdir()
    asked = request(tmp_path, output, 2, FORMS["6 bits"])
    weights = Path(asked["components"][0]["weights"])
    with TensorFile.open(weights) as file:
        tensors = {name: np.array(file[name]) for name in file.names()}
    tensors["mid_block.resnets.0.conv1.weight"][0] = np.inf
    weights.write_bytes(safetensors(tensors))
    with pytest.raises(BadInputError, match="infinite") as raised:
        task(asked, silent)
    assert raised.value.where == "mid_block.resnets.0.conv1.weight"
    assert list(output.iterdir()) == []
