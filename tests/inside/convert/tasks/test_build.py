"""The task `build`, called as the worker calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.packages.write import WEIGHTS
from sdcoreml.convert.spec.reader import read_package
from sdcoreml.convert.tasks import build
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.codec import DecodeError
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from sdcoreml.ground.events import Emit, Event, silent
from tests.inside.convert.programs.models import checkpoint
from tests.odd.base import safetensors


def request(folder: Path, **more: object) -> dict[str, Any]:
    made = checkpoint("vae_decoder", folder)
    config = folder / "config.json"
    config.write_text(json.dumps(made.config), encoding="utf-8")
    program = {"component": "vae_decoder", "package": str(folder / "x.mlpackage"), **more}
    return {"config": str(config), "weights": str(made.weights), "programs": [program]}


def task(component: dict[str, Any], emit: Emit) -> Any:
    """Run the task for one component."""
    return build.task({"components": [component]}, emit)


def test_a_package_is_written_with_the_options_asked_for(tmp_path: Path) -> None:
    told: list[Event] = []
    options = {"height": 4, "width": 8, "precision": "fp32"}
    answer: list[dict[str, Any]] = task(request(tmp_path, options=options), told.append)
    package = read_package(tmp_path / "x.mlpackage")
    assert package.model.description.inputs[0].shape == (1, 4, 4, 8)
    operations = package.model.program.functions["main"].block.operations
    assert answer[0].pop("cpu") > 0
    (placed,) = answer[0].pop("weights")
    assert (len(placed["layout"]), placed["source"]) == (64, "")
    assert answer == [
        {
            "component": "vae_decoder",
            "packages": [str(tmp_path / "x.mlpackage")],
            "parameters": 772_375,
            "operations": len(operations),
            "palettes": {},
        }
    ]
    assert [event.text for event in told if event.kind != "labour"] == [
        "build x",
        "vae_decoder: 772,375 parameters",
    ]


def test_a_config_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    asked = request(tmp_path)
    config = Path(asked["config"])
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    assert task(asked, silent)


def test_a_tensor_that_the_class_does_not_have_is_left_aside(tmp_path: Path) -> None:
    asked = request(tmp_path)
    weights = Path(asked["weights"])
    with TensorFile.open(weights) as file:
        tensors = {name: np.array(file[name]) for name in file.names()}
    weights.write_bytes(safetensors(tensors | {"loss.logvar": np.ones(1, "f4")}))
    plain = json.loads(Path(asked["config"]).read_bytes())
    Path(asked["config"]).write_text(json.dumps(plain | {"_class_name": "AutoencoderKL"}))
    assert task(asked, silent)[0]["parameters"] == 772_375


def test_a_recipe_compresses(tmp_path: Path) -> None:
    task(request(tmp_path, recipe={"method": "uniform", "bits": 4}), silent)
    operations = read_package(tmp_path / "x.mlpackage").model.program.functions["main"].block
    assert any(item.type == "constexpr_lut_to_dense" for item in operations.operations)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"options": {"attention": "FLASH"}},
            "options.attention: one of ORIGINAL, SPLIT_EINSUM, .* is expected, not 'FLASH'",
        ),
        ({"options": {"hight": 4}}, "options: unknown field 'hight'"),
        ({"recipe": {"method": "pruning"}}, "method: one of kmeans, .* not 'pruning'; the fields"),
        ({"recipe": {"nbits": 4}}, "recipe: unknown field 'nbits'; the fields are method"),
    ],
)
def test_choices_that_do_not_exist(more: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises((DecodeError, UnsupportedError), match=message):
        task(request(tmp_path, **more), silent)
    assert not (tmp_path / "x.mlpackage").exists()


@pytest.mark.parametrize("text", ["{", "[]", None])
def test_a_config_that_is_none(text: str | None, tmp_path: Path) -> None:
    wanted = request(tmp_path)
    config = Path(wanted["config"])
    if text is None:
        config.unlink()
    else:
        config.write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match=r"config.json: .*take it from the model's source"):
        task(wanted, silent)


def test_another_size_takes_weights_and_palettes_that_were_made_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {"method": "kmeans", "bits": 2}
    asked = request(tmp_path, recipe=recipe, options={"height": 4, "width": 4})
    (first,) = task(asked, silent)
    assert first["palettes"]
    weights = tmp_path / "x.mlpackage" / WEIGHTS
    (placed,) = first["weights"]
    (tmp_path / "other").mkdir()
    package = tmp_path / "other" / "x.mlpackage"
    (program,) = asked["programs"]
    wide = {**program, "package": str(package), "options": {"height": 4, "width": 8}}
    known = {"made": {placed["layout"]: str(weights)}, "palettes": first["palettes"]}
    monkeypatch.setattr("sdcoreml.convert.tasks.shares.fit", None)  # to call it would fail
    (second,) = task({**asked, **known, "programs": [wide]}, silent)
    assert second["weights"] == [{"layout": placed["layout"], "source": str(weights)}]
    assert second["palettes"] == {}
    assert (package / WEIGHTS).read_bytes() == weights.read_bytes()
