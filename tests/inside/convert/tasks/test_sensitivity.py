"""Bits that are chosen by measured effect beat uniform bits of the same total, on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.parity.check import FULL, check_component
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from sdcoreml.convert.tasks.build import task as build
from sdcoreml.convert.tasks.sensitivity import measure, prepare, task
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.events import Event, silent
from tests.inside.convert.programs.models import checkpoint


def test_the_mixture_beats_uniform_bits_of_its_size_and_can_be_applied(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(made.config), encoding="utf-8")
    request = {
        "component": "unet",
        "config": str(config),
        "weights": str(made.weights),
        "options": {"attention": "ORIGINAL", "height": 16, "width": 16},
        "bits": 4.0,
    }
    told: list[Event] = []
    found: dict[str, Any] = task(request, told.append)
    assert [event.text for event in told if event.kind == "step"] == [
        "measure the layers of unet",
        "compare the mixture with uniform bits",
    ]
    assert {(event.total, event.unit) for event in told if event.kind == "progress"} == {
        (len(found["layers"]), "layers")
    }
    assert found["average"] <= 4
    assert set(found["layers"].values()) <= {1, 2, 4, 6, 8, 16}
    assert len(set(found["layers"].values())) > 1
    assert found["psnr"] > found["uniform"][4]
    package = tmp_path / "Unet.mlpackage"
    program = {
        "component": "unet",
        "package": str(package),
        "options": request["options"],
        "recipe": {"bits": 8, "programs": {"unet": {"bits": 16, "layers": found["layers"]}}},
    }
    common = {"config": str(config), "weights": str(made.weights)}
    build({"components": [{**common, "programs": [program]}]}, silent)
    parity = check_component("unet", package, made.config, made.weights, FULL)
    assert parity.faults() == ()
    assert parity.fidelity[0].psnr > 15


NOISE = 1e-10
"""The tolerance when effects are compared, since larger batches are summed in another order."""


@pytest.mark.parametrize("component", ["unet", "controlnet", "text_encoder"])
def test_effects_are_those_of_running_every_layer_alone(component: str, tmp_path: Path) -> None:
    larger = {"intermediate_size": 256} if component == "text_encoder" else {}
    made = checkpoint(component, tmp_path, larger)
    heard: list[Event] = []
    options = ProgramOptions(attention=Attention.ORIGINAL)
    with TensorFile.open(made.weights) as tensors:
        subject = prepare(component, made.config, options, tensors)
        plain, layers = measure(subject, (1, 2, 4, 6, 8, 16), heard.append)
        assert len(layers) == len(subject.layers) == len(heard) > 3
        for layer in layers[:: len(layers) // 3]:
            moved = subject.outputs({layer.name: 4})
            effect = float((moved - plain).square().mean() / plain.var())
            assert layer.effect == pytest.approx(effect, rel=1e-3, abs=NOISE)
            errors = [layer.errors[bits] for bits in (1, 2, 4, 6, 8, 16)]
            assert errors == sorted(errors, reverse=True)


def test_three_bits_are_allotted_only_where_they_can_be_stored(tmp_path: Path) -> None:
    made = checkpoint("text_encoder", tmp_path, {"intermediate_size": 256})
    config = tmp_path / "config.json"
    config.write_text(json.dumps(made.config), encoding="utf-8")
    request = {"component": "text_encoder", "config": str(config), "weights": str(made.weights)}
    for target, expected in (("macOS13", False), ("macOS15", True)):
        found: dict[str, Any] = task({**request, "bits": 3, "options": {"target": target}}, silent)
        assert (3 in found["layers"].values()) is expected
        assert found["average"] <= 3
        assert found["uniform"].keys() == {2, 4, 6}
