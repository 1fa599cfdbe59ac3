from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.weights.quantised import refuse_quantised
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.ground.errors import UnsupportedError


def tensor(name: str, dtype: str = "F16") -> TensorInfo:
    return TensorInfo(name=name, dtype=dtype, shape=(2,), path=Path("m"), start=0)


@pytest.mark.parametrize(
    "name",
    [
        "a.scale_weight",
        "a.weight_scale",
        "a.weight_scale_2",
        "scaled_fp8",
        "a.comfy_quant",
        "a.weight.absmax",
        "a.weight.quant_map",
        "a.weight.quant_state.bitsandbytes__nf4",
        "a.SCB",
        "a.qweight",
    ],
)
def test_what_lies_beside_quantised_weights_tells_them(name: str) -> None:
    fault = refuse_quantised([tensor("a.weight"), tensor(name)], Path("m"))
    assert fault
    assert name in fault.what
    assert fault.error is UnsupportedError


@pytest.mark.parametrize("dtype", ["I8", "U8", "I32"])
def test_learnt_weights_are_no_integers(dtype: str) -> None:
    fault = refuse_quantised([tensor("a.weight", dtype)], Path("m"))
    assert fault
    assert dtype in fault.what


def test_floats_of_any_width_and_buffers_are_no_quantised_weights() -> None:
    sound = [
        tensor("a.weight"),
        tensor("b.weight", "F8_E4M3"),
        tensor("position_ids", "I64"),
        tensor("a.scale_shift_table"),
        tensor("logit_scale"),
    ]
    assert refuse_quantised(sound, Path("m")) is None
