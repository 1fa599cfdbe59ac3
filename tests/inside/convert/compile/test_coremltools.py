"""Compiles packages that coremltools wrote; the text must agree with what protobuf reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import coremltools
import numpy as np
import pytest
from coremltools.converters.mil import Builder as mb  # noqa: N813  its customary name
from coremltools.converters.mil.mil import get_new_symbol, types
from coremltools.optimize import coreml as compression
from coremltools.proto import MIL_pb2, Model_pb2

from sdcoreml.convert.compile.check import faults
from sdcoreml.convert.compile.lower import BUILD_INFO
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.spec.writer import serialise_program

TARGETS = {
    "iOS15": coremltools.target.iOS15,
    "iOS16": coremltools.target.iOS16,
    "iOS17": coremltools.target.iOS17,
}


def attention(x: Any) -> Any:
    """Write a package with every kind of operation and constant of a Stable Diffusion program."""
    random = np.random.default_rng(0)
    weight = random.standard_normal((32, 8, 3, 3)).astype(np.float32)
    x = mb.conv(x=x, weight=weight, pad_type="same", bias=np.zeros(32, np.float32))
    x = mb.layer_norm(x=x, axes=[1], epsilon=1e-5)
    q, k = mb.split(x=x, num_splits=2, axis=1)
    q = mb.reshape(x=q, shape=[1, 16, 1, 16])
    k = mb.transpose(x=mb.reshape(x=k, shape=[1, 16, 1, 16]), perm=[0, 3, 2, 1])
    scores = mb.einsum(values=[k, q], equation="bkhc,bchq->bkhq")
    scores = mb.softmax(x=mb.mul(x=scores, y=0.25), axis=1)
    both = mb.concat(values=[scores, mb.sigmoid(x=scores)], axis=-1)
    return mb.clip(x=both, alpha=-float("inf"), beta=6e-8)


def convert(target: str, precision: Any = coremltools.precision.FLOAT16) -> Any:
    shape = mb.TensorSpec(shape=(1, 8, 4, 4), dtype=types.fp32)
    program = mb.program(input_specs=[shape], opset_version=TARGETS[target])(attention)
    return coremltools.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=TARGETS[target],
        compute_precision=precision,
    )


def palettized(bits: int) -> Any:
    rule = compression.OpPalettizerConfig(mode="uniform", nbits=bits, weight_threshold=64)
    setting = compression.OptimizationConfig(global_config=rule)
    return compression.palettize_weights(convert("iOS16"), setting)


def quantized(mode: str, dtype: type) -> Any:
    rule = compression.OpLinearQuantizerConfig(mode=mode, dtype=dtype, weight_threshold=64)
    setting = compression.OptimizationConfig(global_config=rule)
    return compression.linear_quantize_weights(convert("iOS16"), setting)


def sparse() -> Any:
    rule = compression.OpMagnitudePrunerConfig(target_sparsity=0.6, weight_threshold=64)
    setting = compression.OptimizationConfig(global_config=rule)
    return compression.prune_weights(convert("iOS16"), setting)


def flexible() -> Any:
    program = mb.program(input_specs=[mb.TensorSpec(shape=(1, get_new_symbol()))])(
        lambda x: mb.relu(x=x)
    )
    shape = coremltools.Shape((1, coremltools.RangeDim(1, 32, default=4)))
    return coremltools.convert(
        program,
        convert_to="mlprogram",
        inputs=[coremltools.TensorType(name="x", shape=shape)],
        minimum_deployment_target=coremltools.target.iOS15,
    )


MODELS: dict[str, Callable[[], Any]] = {
    "fp16": partial(convert, "iOS16"),
    "fp32": partial(convert, "iOS16", coremltools.precision.FLOAT32),
    "specification 6": partial(convert, "iOS15"),
    "specification 8": partial(convert, "iOS17"),
    **{f"{bits} bits": partial(palettized, bits) for bits in (1, 2, 4, 6, 8)},
    "symmetric": partial(quantized, "linear_symmetric", np.int8),
    "asymmetric": partial(quantized, "linear", np.uint8),
    "sparse": sparse,
    "flexible": flexible,
}
STORAGE = {
    "fp16": "Float16",
    "fp32": "Float32",
    **{f"{bits} bits": f"Palettized ({bits} bits)" for bits in (1, 2, 4, 6, 8)},
    "symmetric": "Int8",
    "asymmetric": "UInt8",
    "sparse": "Sparse",
}


@pytest.mark.parametrize("name", MODELS)
def test_the_text_says_what_the_package_says(tmp_path: Path, name: str) -> None:
    package = tmp_path / "Model.mlpackage"
    MODELS[name]().save(str(package))
    compiled = compile_package(package, tmp_path / "Model.mlmodelc")
    theirs = Model_pb2.Model.FromString(
        (package / "Data" / "com.apple.CoreML" / "model.mlmodel").read_bytes()
    ).mlProgram
    functions = {
        key: replace(function, attributes={})
        for key, function in compiled.program.functions.items()
    }
    program = replace(compiled.program, functions=functions, attributes={})
    ours = MIL_pb2.Program.FromString(serialise_program(program))
    theirs.attributes.pop(BUILD_INFO, None)
    assert ours == theirs
    assert faults(compiled) == ()
    stored = compiled.metadata[0].get("storagePrecision", "")
    assert STORAGE.get(name, "") in stored
