"""Which constants are weighed against which tensors, and when helpers share that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.proof import weighing
from sdcoreml.convert.proof.compressed import Compressed
from sdcoreml.convert.proof.weighing import (
    compressed_constants,
    compressed_owner,
    measure_compressed,
    plain,
)
from sdcoreml.convert.spec.model import Blob, DataType, Function
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.crew import Crew
from sdcoreml.ground.errors import WorkerError
from sdcoreml.ground.events import Event
from tests.convert.certificates.graphs import function_of

BLOB = 'BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(64))'
TABLE = "tensor<fp16, [2]>([0x0p+0, 0x1p+0])"
NONE = "raise SystemExit"
"""The code of a helper that ends at once: whoever asks it for anything fails."""


def line(name: str, indices: str) -> str:
    """Return the line of a weight of 32 numbers with a palette of one bit."""
    return (
        f"tensor<fp16, [4, 8]> {name} = constexpr_lut_to_dense(indices = {indices},"
        f" lut = {TABLE}, shape = tensor<uint32, [2]>([4, 8]))"
    )


FUNCTION = function_of(
    "tensor<fp16, [1, 8]> x",
    line("a_weight_palettized", f"tensor<uint8, [4]>({BLOB})"),
    line("text_encoder_b_weight_to_fp16_palettized", "tensor<uint8, [4]>([0, 0, 0, 1])"),
    line("stranger", "tensor<uint8, [4]>([0, 0, 0, 0])"),
    "tensor<fp16, [1, 8]> y = relu(x = x)",
    output="y",
)
OWNERS = {"a_weight": "a.weight", "a": "a", "b_weight": "b.weight"}


@dataclass(frozen=True)
class Storage:
    """A weight file of which every blob is 255, 255, 0, 0."""

    def read(self, blob: Blob, dtype: DataType) -> bytes:  # noqa: ARG002
        return bytes([255, 255, 0, 0])


@dataclass(frozen=True)
class InFile(Storage):
    """The same in a file that another process could open."""

    def locate(self, blob: Blob) -> tuple[Path, Blob]:
        return Path("weight.bin"), blob


@pytest.fixture
def tensors(tmp_path: Path) -> TensorFile:
    half = np.repeat([1, 0], 16).astype("<f2").reshape(4, 8)
    arrays = {"a.weight": half, "a": half, "b.weight": half * 0}
    safetensors.numpy.save_file(arrays, tmp_path / "w.safetensors")
    return TensorFile.open(tmp_path / "w.safetensors")


WEIGHED = {
    "a_weight_palettized": Compressed(
        tensor="a.weight", method="1-bit palette", psnr=999.0, wrong=0, is_nearest=True
    ),
    "text_encoder_b_weight_to_fp16_palettized": Compressed(
        tensor="b.weight", method="1-bit palette", psnr=999.0, wrong=1, is_nearest=False
    ),
}


def test_constants_are_weighed_against_the_tensors_that_they_are_named_for(
    tensors: TensorFile,
) -> None:
    told: list[Event] = []
    with Crew(1, emit=told.append):
        assert measure_compressed(FUNCTION, Storage(), tensors, OWNERS) == WEIGHED
    assert [(one.text, one.done) for one in told] == [("audit", round(6.8 * 32))] * 2
    assert measure_compressed(FUNCTION, Storage(), tensors, {}) == {}
    assert [one.outputs[0].name for one in compressed_constants(FUNCTION)] == [
        "a_weight_palettized",
        "text_encoder_b_weight_to_fp16_palettized",
        "stranger",
    ]


@pytest.mark.parametrize(
    ("worth", "workers", "storage", "is_shared"),
    [
        (64, 2, InFile(), True),
        (65, 2, InFile(), False),
        (64, 1, InFile(), False),
        (64, 2, Storage(), False),
    ],
)
def test_helpers_share_from_so_many_elements_on(
    worth: int,
    workers: int,
    storage: Storage,
    tensors: TensorFile,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_shared: bool,
) -> None:
    monkeypatch.setattr(weighing, "WORTH", worth)
    with Crew(workers, NONE):
        if is_shared:
            with pytest.raises(WorkerError):
                measure_compressed(FUNCTION, storage, tensors, OWNERS)
        else:
            assert measure_compressed(FUNCTION, storage, tensors, OWNERS) == WEIGHED


def owner(name: str) -> str | None:
    function: Function = function_of(
        "fp16 x", line(name, "tensor<uint8, [4]>([0, 0, 0, 0])"), output="x"
    )
    return compressed_owner(function.block.operations[0], OWNERS)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("a_weight", "a.weight"),
        ("a_weight_palettized", "a.weight"),
        ("text_encoder_a_weight_to_fp16_palettized", "a.weight"),
        ("a_bias_palettized", "a"),
        ("b_bias", None),
        ("a_text_encoder_", "a"),
        ("xa_weight", None),
    ],
)
def test_the_longest_name_that_a_constant_begins_with_is_its_tensor(
    name: str, tensor: str | None
) -> None:
    assert owner(name) == tensor


def test_names_are_spelled_as_programs_spell_them() -> None:
    assert plain("down_blocks.0.to-q.weight") == "down_blocks_0_to_q_weight"
