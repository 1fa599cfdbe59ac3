"""A program is the same for every target, and its bytes are the same from every coremltools."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
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
from tests.inside.convert.programs.configs import CONFIGS

CHOICES: Mapping[str, Mapping[str, Any]] = {
    "text_encoder": {"pad_id": 0},
    "unet": {"prediction": Prediction.VELOCITY},
    "controlled_unet": {"attention": Attention.ORIGINAL},
    "unet_refiner": {"attention": Attention.SPLIT_EINSUM_V2, "states_own_size": True},
    "vae_decoder": {"runtime_scale": 0.5},
    "vae_encoder": {"runtime_scale": 0.5, "precision": Precision.FP32},
}
"""For each component: the options with which it emits all of its operations."""

DIGESTS: Mapping[Target, str] = {
    Target.MACOS13: "c95b819f3a9a4a5ff9a5e83bbc25bb175a4c92b841106d2827d53bb64edf039f",
    Target.MACOS14: "076e1b6bc0f7b82372db7d23e3c9134e4ec1a816b5569031bdaa217f4086a9e3",
    Target.MACOS15: "1a14fed3d5a7b6c7f7a0b51a91d9bb431fbc202cc85d0b1613d95b83d51e3277",
    Target.MACOS26: "32a8cb324c72e2d8f38ae937b90cfa9297c87a74fa7ebeb9639a42804148a085",
}
"""The SHA-256 of all specifications, by target; every coremltools must give the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    shape: tuple[int, ...]
    dtype: str = "F16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zeros:
    """`Tensors` in which every name has the shape that the program declares, and zeros."""

    shapes: Mapping[str, tuple[int, ...]]

    def names(self) -> tuple[str, ...]:
        return tuple(self.shapes)

    def info(self, name: str) -> Shape:
        return Shape(shape=self.shapes[name])

    def __getitem__(self, name: str) -> np.ndarray:
        return np.zeros(self.shapes[name], np.float16)

    def release(self) -> None:
        pass


@cache
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
