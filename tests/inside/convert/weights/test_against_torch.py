"""Converts files of `torch.save` and compares them with `safetensors.torch.save_file`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdcoreml.convert.weights.cast import as_floats
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.convert.weights.writer import WriteOptions, write_safetensors
from sdcoreml.ground.errors import UnsafePickleError

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(8, 8, generator=generator)
    named = {
        "a.weight": torch.randn(3, 5, generator=generator),
        "turned": torch.randn(4, 6, generator=generator).t(),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 4),
        "tied.1": base,
        "tied.2": base,
        "rows": base[2:5],
        "column": base[:, 3],
        "expanded": torch.randn(1, 3, generator=generator).expand(4, 3),
        "parameter": torch.nn.Parameter(torch.randn(2, 2, generator=generator)),
        'odd "é\\ name': torch.randn(2, generator=generator),
        "large turned": torch.randn(1200, 900, generator=generator).t(),
        "channels last": torch.randn(2, 3, 4, 5, generator=generator).to(
            memory_format=torch.channels_last
        ),
    }
    for name, dtype in DTYPES.items():
        named[f"type {name}"] = (torch.randn(7, generator=generator) * 10).to(dtype)
    return named


def reference(path: Path, named: dict[str, torch.Tensor]) -> bytes:
    own = {name: tensor.detach().contiguous().clone() for name, tensor in named.items()}
    safetensors.torch.save_file(own, path, metadata={"format": "pt"})
    return path.read_bytes()


@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_a_file_is_byte_for_byte_what_save_file_writes(tmp_path: Path, container: str) -> None:
    named = tensors()
    torch.save(named, tmp_path / "in.bin", _use_new_zipfile_serialization=container == "zip")
    out = tmp_path / "out.safetensors"
    write_safetensors(open_checkpoint(tmp_path / "in.bin").tensors, out)
    assert out.read_bytes() == reference(tmp_path / "reference.safetensors", named)


def test_small_floats_are_copied_as_they_are(tmp_path: Path) -> None:
    named = {
        "e4m3": torch.randn(9).to(torch.float8_e4m3fn),
        "e5m2": torch.randn(9).to(torch.float8_e5m2),
    }
    torch.save(named, tmp_path / "in.bin")
    out = tmp_path / "out.safetensors"
    write_safetensors(open_checkpoint(tmp_path / "in.bin").tensors, out)
    assert out.read_bytes() == reference(tmp_path / "reference.safetensors", named)


def test_a_module_and_a_trainers_file(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    expected = reference(tmp_path / "reference.safetensors", module.state_dict())
    trainers = {"state_dict": module.state_dict(), "opt": optimizer.state_dict(), "epoch": 3}
    for name, saved in (("m.bin", module.state_dict()), ("m.ckpt", trainers)):
        torch.save(saved, tmp_path / name)
        out = tmp_path / "out.safetensors"
        write_safetensors(open_checkpoint(tmp_path / name).tensors, out)
        assert out.read_bytes() == expected


def test_a_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "m.bin")
    with pytest.raises(UnsafePickleError, match=r"torch\.nn\.modules\.linear\.Linear"):
        open_checkpoint(tmp_path / "m.bin")


@pytest.mark.parametrize("target", ["F16", "BF16", "F32"])
@pytest.mark.parametrize("source", ["F64", "F32", "F16", "BF16"])
def test_a_cast_rounds_as_torch_does(tmp_path: Path, source: str, target: str) -> None:
    bits = torch.randint(-(1 << 31), (1 << 31) - 1, (100_000,), dtype=torch.int32)
    wild = bits.view(torch.float32)
    usual = torch.randn(100_000) * torch.logspace(-12, 6, 100_000)
    values = torch.cat([wild[~wild.isnan()], usual, torch.tensor([0.0, -0.0, 65504.0, 65520.0])])
    named = {"x": values.to(DTYPES[source])}
    torch.save(named, tmp_path / "in.bin")
    out = tmp_path / "out.safetensors"
    options = WriteOptions(dtype=target)
    written = write_safetensors(open_checkpoint(tmp_path / "in.bin").tensors, out, options)
    expected = named["x"].to(DTYPES[target])
    assert out.read_bytes() == reference(tmp_path / "reference.safetensors", {"x": expected})
    overflowed = int((expected.isinf() & named["x"].isfinite()).sum())
    assert written.overflows == ({"x": overflowed} if overflowed else {})


def test_mapped_tensors_are_the_loaded_ones(tmp_path: Path) -> None:
    named = {name: tensor for name, tensor in tensors().items() if "BF16" not in name}
    reference(tmp_path / "m.safetensors", named)
    with TensorFile.open(tmp_path / "m.safetensors") as mapped:
        for name, tensor in named.items():
            assert torch.equal(torch.from_numpy(mapped[name].copy()), tensor.detach())


@st.composite
def views(draw: st.DrawFn) -> torch.Tensor:
    shape = draw(st.lists(st.integers(1, 5), max_size=4))
    tensor = torch.arange(int(torch.tensor(shape).prod()) if shape else 1).float().reshape(shape)
    if shape:
        tensor = tensor.permute(draw(st.permutations(range(len(shape)))))
        steps = [(draw(st.integers(0, n - 1)), draw(st.integers(1, 2))) for n in tensor.shape]
        tensor = tensor[tuple(slice(start, None, step) for start, step in steps)]
    return tensor.to(draw(st.sampled_from(list(DTYPES.values()))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(named=st.dictionaries(st.text('abc.é"', min_size=1), views(), min_size=1), data=st.data())
def test_any_views_from_either_container(
    tmp_path: Path, named: dict[str, Any], data: st.DataObject
) -> None:
    torch.save(named, tmp_path / "in.bin", _use_new_zipfile_serialization=data.draw(st.booleans()))
    out = tmp_path / "out.safetensors"
    write_safetensors(open_checkpoint(tmp_path / "in.bin").tensors, out)
    assert out.read_bytes() == reference(tmp_path / "reference.safetensors", named)


@pytest.mark.parametrize(
    ("kind", "theirs"), [("F8_E4M3", torch.float8_e4m3fn), ("F8_E5M2", torch.float8_e5m2)]
)
def test_every_8_bit_float_is_theirs(kind: str, theirs: torch.dtype) -> None:
    codes = bytes(range(256))
    raw = torch.frombuffer(bytearray(codes), dtype=torch.uint8)
    expected = raw.view(theirs).to(torch.float32)
    np.testing.assert_array_equal(as_floats(codes, kind), expected.numpy())
