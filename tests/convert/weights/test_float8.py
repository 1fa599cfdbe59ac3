from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.weights.float8 import widen
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.writer import Computed


def tensor(path: Path, dtype: str) -> TensorInfo:
    path.write_bytes(bytes([0x38, 0xB8, 0x40, 0x00]))
    return TensorInfo(name="w", dtype=dtype, shape=(2, 2), path=path, start=0)


def test_8_bit_floats_become_float16(tmp_path: Path) -> None:
    wide = widen(tensor(tmp_path / "f", "F8_E4M3"))
    assert isinstance(wide, Computed)
    assert (wide.name, wide.dtype, wide.shape) == ("w", "F16", (2, 2))
    data = b"".join(wide.blocks())
    assert np.frombuffer(data, "<f2").tolist() == [1.0, -1.0, 2.0, 0.0]


@pytest.mark.parametrize("dtype", ["I8", "U8", "F8_E8M0"])
def test_other_types_stay(tmp_path: Path, dtype: str) -> None:
    stored = tensor(tmp_path / "f", dtype)
    assert widen(stored) is stored
