from __future__ import annotations

import io
from typing import Any

import pytest

from convert.errors import UnsafePickleError
from convert.weights.machine import Inert, MalformedPickleError
from convert.weights.opcodes import interpret
from convert.weights.records import Records, Storage, TensorRecord, Trust
from tests.convert.weights.torch_files import (
    call,
    finished,
    group,
    integer,
    mapping,
    name,
    storage,
    tensor,
    text,
)

ON = storage("0", "float32", 12)


def read(root: bytes, trust: Trust = Trust.STRICT) -> tuple[Any, Records]:
    records = Records("model.bin", trust)
    return interpret(io.BytesIO(finished(root)), records), records


def test_a_tensor_is_described_and_its_storage_noted() -> None:
    record, records = read(tensor(ON, [3, 4]))
    assert record == TensorRecord(Storage("0", "F32", 12), "F32", (3, 4), (4, 1), 0)
    assert records.storages == {"0": Storage("0", "F32", 12)}


def test_a_parameter_is_its_tensor() -> None:
    wrapped = call(name("torch._utils", "_rebuild_parameter"), tensor(ON, [12]), b"\x88", b"}")
    assert read(wrapped)[0].shape == (12,)


def test_a_typed_tensor_on_plain_bytes() -> None:
    kind = name("torch.storage", "UntypedStorage")
    bytes_of = group(text("storage"), kind, text("7"), text("cpu"), integer(6)) + b"Q"
    arguments = (bytes_of, integer(0), group(integer(3)), group(integer(1)), b"\x89", b"}")
    typed = call(name("torch._utils", "_rebuild_tensor_v3"), *arguments, name("torch", "bfloat16"))
    record, _ = read(typed)
    assert (record.dtype, record.storage.nbytes) == ("BF16", 6)


@pytest.mark.parametrize(
    ("root", "why"),
    [
        (tensor(ON, [13]), "reaches past its storage '0' of 48 bytes"),
        (tensor(ON, [2], [12]), "reaches past"),
        (tensor(ON, [1], offset=12), "reaches past"),
        (tensor(ON, [1], offset=-1), "impossible"),
        (tensor(ON, [1 << 60]), "impossible"),
        (tensor(ON, [2], [1, 1]), "do not fit"),
        (tensor(ON, [1] * 65), "do not fit"),
        (tensor(b"N", [1]), "not on a storage"),
        (group(text("module"), b"N") + b"Q", "not a storage"),
        (group(text("storage"), name("torch", "Size"), text("0"), b"N", b"K\x01") + b"Q", "class"),
        (group(ON, storage("0", "float16", 12)), "declared twice"),
        (storage("0", "float32", -1), "impossible size"),
        (call(name("torch._utils", "_rebuild_tensor_v2")), "damaged"),
    ],
)
def test_a_lie_is_told(root: bytes, why: str) -> None:
    with pytest.raises(MalformedPickleError, match=why):
        read(root)


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(MalformedPickleError, match=r"no text: 'a\.b\\x1bc'"):
        read(name("a", "b\x1bc"), Trust.INERT)


def test_expanded_and_empty_tensors_need_no_more_than_they_touch() -> None:
    assert read(tensor(ON, [1000, 12], [0, 1]))[0].shape == (1000, 12)
    assert read(tensor(ON, [0, 1000], [1000, 1]))[0].shape == (0, 1000)


def test_an_unknown_name_is_refused_in_a_bin_and_inert_in_a_ckpt() -> None:
    root = mapping({"callback": call(name("lightning", "Callback"), integer(3))})
    with pytest.raises(UnsafePickleError, match=r"model\.bin: .*'lightning\.Callback'.* no state"):
        read(root)
    found, records = read(root, Trust.INERT)
    assert isinstance(found["callback"], Inert)
    assert records.unknown == {"lightning.Callback": 1}


@pytest.mark.parametrize("trust", list(Trust))
@pytest.mark.parametrize("module", ["os", "posix", "builtins", "subprocess", "torch.hub"])
def test_a_dangerous_name_is_refused_always(module: str, trust: Trust) -> None:
    with pytest.raises(UnsafePickleError, match=r"can run code \(nothing was run\); do not load"):
        read(call(name(module, "system"), text("touch evil")), trust)
