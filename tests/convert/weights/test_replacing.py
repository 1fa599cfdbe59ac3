from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.weights.replacing import judge_repeats, require_older, stored_bytes
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.writer import Computed
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Event, silent

FILE = Path("model.bin")


def tensor(
    name: str, shape: tuple[int, ...], start: int = 0, stride: tuple[int, ...] | None = None
) -> TensorInfo:
    return TensorInfo(name=name, dtype="F32", shape=shape, path=FILE, start=start, stride=stride)


def test_a_tensor_without_stride_is_refused_with_both_sizes() -> None:
    bomb = tensor("w", (1 << 16, 1 << 13), stride=(0, 0))
    with pytest.raises(BadInputError) as raised:
        judge_repeats([tensor("b", (8,), start=64), bomb], silent)
    assert str(raised.value) == (
        "model.bin: 'w' repeats what the file stores once: 36 bytes become 2.1 GB; if it is meant,"
        " `sdcoreml weights IN OUT --force` writes it"
    )


def test_what_is_meant_or_small_is_said() -> None:
    told: list[Event] = []
    judge_repeats([tensor("w", (1000, 1000), stride=(0, 1))], told.append, is_meant=True)
    judge_repeats([tensor("w", (3, 1000), stride=(0, 1))], told.append)
    assert [(event.kind, event.text) for event in told] == [
        ("warning", "'w' repeats what the file stores once: 4 kB become 4 MB"),
        ("warning", "'w' repeats what the file stores once: 4 kB become 12 kB"),
    ]


def nothing() -> Iterable[memoryview]:
    return ()


@pytest.mark.parametrize(
    "tensors",
    [
        [tensor("a", (9, 9)), tensor("b", (9, 9))],  # tied
        [tensor("a", (9, 9)), tensor("b", (9, 9), start=1000)],
        [tensor("a", (9, 9), stride=(1, 9))],  # transposed
        [tensor("a", (9,), stride=(500,))],  # a column
        [tensor("a", (0, 9), stride=(0, 0)), tensor("s", ())],
        [Computed(name="c", dtype="F32", shape=(1 << 30,), blocks=nothing)],
        [],
    ],
)
def test_what_checkpoints_really_hold_needs_no_word(tensors: list[object]) -> None:
    judge_repeats(tensors, lambda event: pytest.fail(event.text))


def test_bytes_that_tensors_share_count_once() -> None:
    shared = [tensor("a", (10,)), tensor("b", (5,), start=20), tensor("c", (2,), start=100)]
    assert stored_bytes(shared) == 48
    other = TensorInfo(name="d", dtype="F16", shape=(3,), path=Path("other"), start=0)
    assert stored_bytes([*shared, other]) == 54


def test_only_an_older_output_of_the_same_tensors_is_replaced(tmp_path: Path) -> None:
    out, wanted = tmp_path / "out", [tensor("w", (2, 3))]
    require_older(out, wanted)
    out.touch()
    require_older(out, wanted)
    out.write_text("a thesis")
    with pytest.raises(BadInputError) as raised:
        require_older(out, wanted)
    assert str(raised.value) == (
        f"{out}: exists and is not a safetensors file; choose another name, or add --force to"
        " replace it"
    )
    safetensors.numpy.save_file({"w": np.zeros((2, 3), np.float16)}, out)
    require_older(out, wanted)
    safetensors.numpy.save_file({"v": np.zeros((2, 3), np.float16)}, out)
    with pytest.raises(BadInputError, match="out: exists and holds other tensors; choose another"):
        require_older(out, wanted)
