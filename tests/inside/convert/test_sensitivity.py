"""Bits by measured effect, on a tiny model: the mixture beats uniform bits of the same size."""

from __future__ import annotations

import json
from pathlib import Path

from convert.parity import FULL, check_component
from convert.programs.task import task as build
from convert.sensitivity import task
from envs.events import silent
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
    found = task(request, silent)
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
    build({**common, "programs": [program]}, silent)
    parity = check_component("unet", package, made.config, made.weights, FULL)
    assert parity.faults() == ()
    assert parity.fidelity[0].psnr > 15
