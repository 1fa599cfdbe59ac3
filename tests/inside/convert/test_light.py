"""The toolchain `light` has no torch, and writes the very packages that `tested` writes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from convert.worker import Worker
from envs.manifest import digest_of, scan
from tests.inside.convert.programs.models import CONFIGS, checkpoint

LIGHT = "SDCOREML_LIGHT_PYTHON"
"""Set by the runner when the tests run in `tested`."""
CASES: Mapping[str, Mapping[str, Any]] = {
    **{component: {} for component in CONFIGS},
    "controlnet": {"options": {"height": 16, "width": 16}},  # its config knows no size
    "unet, palettes": {"recipe": {"method": "kmeans", "bits": 4}},
    "unet, original attention": {"options": {"attention": "ORIGINAL"}},
}


def contents(folder: Path) -> dict[str, str]:
    return {path: digest_of(folder / path, kind) for path, kind, _ in scan(folder)}


@pytest.mark.skipif(LIGHT not in os.environ, reason="light is a part of tested alone")
@pytest.mark.parametrize("case", CASES)
def test_light_writes_the_bytes_of_tested(case: str, tmp_path: Path) -> None:
    component = case.partition(",")[0]
    made = checkpoint(component, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(made.config), encoding="utf-8")
    written: list[dict[str, str]] = []
    for python in (sys.executable, os.environ[LIGHT]):
        package = tmp_path / f"{len(written)}.mlpackage"
        program = {"component": component, "package": str(package), **CASES[case]}
        request = {
            "config": str(tmp_path / "config.json"),
            "weights": str(made.weights),
            "programs": [program],
        }
        Worker(python=Path(python)).run("build", request)
        written.append(contents(package))
    assert written[0] == written[1]
    assert any("weight" in path for path in written[0])
