"""The verdicts that the benchmark of programs prints, and the bytes that it counts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from sdcoreml.convert.weights.safetensors import TensorFile
from tests.bench.programs import (
    CASES,
    LIMITS,
    TRACED,
    verdict,
    widened,
    write_random,
    written,
)
from tools.certify.cases import CASES as CERTIFIED


@pytest.mark.parametrize(
    ("cpu", "peak", "most", "said"),
    [
        (3.0, 204.0, None, ""),
        (3.0, 204.0, (8.0, 256.0), "limit 8 CPU s, 256 MB: met"),
        (8.1, 204.0, (8.0, 256.0), "limit 8 CPU s, 256 MB: MISSED"),
        (3.0, 257.0, (8.0, 256.0), "limit 8 CPU s, 256 MB: MISSED"),
        (44.0, 0.0, (45.0, 0.0), "limit 45 CPU s: met"),
    ],
)
def test_a_limit_is_met_or_missed(
    cpu: float, peak: float, most: tuple[float, float] | None, said: str
) -> None:
    assert verdict(cpu, peak, most) == said


def test_a_weight_file_of_several_packages_is_written_once(tmp_path: Path) -> None:
    for name in ("0.mlpackage", "1.mlpackage"):
        (tmp_path / name / "Data").mkdir(parents=True)
        (tmp_path / name / "model").write_bytes(bytes(10))
    (tmp_path / "0.mlpackage/Data/weight.bin").write_bytes(bytes(1000))
    (tmp_path / "1.mlpackage/Data/weight.bin").hardlink_to(tmp_path / "0.mlpackage/Data/weight.bin")
    (tmp_path / "weights.safetensors").write_bytes(bytes(5000))
    assert written(tmp_path) == 1020


def test_what_has_a_limit_is_built_and_all_of_sdxl_base_is() -> None:
    assert {name for name, _ in LIMITS} | TRACED.keys() <= CASES.keys()
    sdxl = {case.component for name, case in CASES.items() if name.startswith("sdxl")}
    assert sdxl == {
        case.part.program for name, case in CERTIFIED.items() if name.startswith("sdxl-")
    }


def test_all_levels_of_a_unet_are_widened() -> None:
    config = widened(CASES["sd15-unet"], 160).config
    assert config["block_out_channels"] == [160, 320, 640, 640]


@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_random_weights_are_a_checkpoint(dtype: str, tmp_path: Path) -> None:
    shapes = {"a.weight": [3, 5], "b": [2]}
    write_random(tmp_path / "w.safetensors", shapes, dtype)
    with TensorFile.open(tmp_path / "w.safetensors") as tensors:
        found = {name: [*tensors.info(name).shape] for name in tensors.names()}
        assert found == shapes
        assert {tensors.info(name).dtype for name in shapes} == {dtype}
    size = sum(map(math.prod, shapes.values())) * (2 if dtype == "F16" else 4)
    content = (tmp_path / "w.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert len(content) == 8 + length + size
    assert json.loads(content[8 : 8 + length])["b"]["dtype"] == dtype
