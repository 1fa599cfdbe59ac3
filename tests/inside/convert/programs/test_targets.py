"""One program for every target, and the same bytes from every coremltools."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.programs import DRAWERS, build_program, draw
from sdcoreml.convert.programs.options import (
    Attention,
    Precision,
    Prediction,
    ProgramOptions,
    Target,
)
from sdcoreml.convert.spec.model import Model
from sdcoreml.convert.spec.writer import serialise_model
from tests.inside.convert.programs.models import CONFIGS

CHOICES: Mapping[str, Mapping[str, Any]] = {
    "text_encoder": {"pad_id": 0},
    "unet": {"prediction": Prediction.VELOCITY},
    "controlled_unet": {"attention": Attention.ORIGINAL},
    "unet_refiner": {"attention": Attention.SPLIT_EINSUM_V2, "states_own_size": True},
    "vae_decoder": {"runtime_scale": 0.5},
    "vae_encoder": {"runtime_scale": 0.5, "precision": Precision.FP32},
}
"""Options under which each component emits all that it can."""

DIGESTS: Mapping[Target, str] = {
    Target.MACOS13: "6f462a97c44bb401d9e56c9061be7e57869bf43058263650f6d27d138a0376ca",
    Target.MACOS14: "064854b4c80aba2de491ef7687d4134c264dba895c7b853f3b64678bb24d7ee3",
    Target.MACOS15: "302f1fd43e921c78ca561b5dac301a5d0beced9c8a3a859c29a6d799e6df365c",
    Target.MACOS26: "f92f29b57fac3252343aae6c17efd7b52ee60e19ae094fcab34e8f4435b5c22c",
}
"""SHA-256 of all specifications, whatever the coremltools. Another builder, other digests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    shape: tuple[int, ...]
    dtype: str = "F16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zeros:
    """`Tensors` of whatever shape a program declares."""

    shapes: Mapping[str, tuple[int, ...]]

    def names(self) -> tuple[str, ...]:
        return tuple(self.shapes)

    def info(self, name: str) -> Shape:
        return Shape(shape=self.shapes[name])

    def __getitem__(self, name: str) -> np.ndarray:
        return np.zeros(self.shapes[name], np.float16)

    def release(self) -> None:
        pass


def model(component: str, target: Target) -> Model:
    config = CONFIGS.get(component, CONFIGS["text_encoder"])
    options = ProgramOptions(target=target, height=16, width=16, **CHOICES.get(component, {}))
    declared = dict(draw(component, config, options).graph.declared)
    return build_program(component, config, Zeros(shapes=declared), options).model


@pytest.mark.parametrize("target", Target)
def test_every_coremltools_writes_the_same_bytes(target: Target) -> None:
    digest = hashlib.sha256()
    for component in sorted(DRAWERS):
        digest.update(serialise_model(model(component, target)))
    assert digest.hexdigest() == DIGESTS[target]


@pytest.mark.parametrize("component", sorted(DRAWERS))
def test_from_macos_14_on_only_the_label_differs(component: str) -> None:
    older = serialise_model(model(component, Target.MACOS14))
    for target in (Target.MACOS15, Target.MACOS26):
        made = model(component, target)
        assert made.specification_version == target.specification
        (function,) = made.program.functions.values()
        assert function.opset == target.opset
        newer = serialise_model(made).replace(target.opset.encode(), b"CoreML7")
        assert newer[2:] == older[2:]  # the specification version comes first
