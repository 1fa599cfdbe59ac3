from __future__ import annotations

import io
from typing import Any

import pytest

from sdcoreml.convert.weights.machine import Inert, MalformedPickleError
from sdcoreml.convert.weights.opcodes import interpret
from sdcoreml.convert.weights.records import (
    Records,
    StorageRecord,
    TensorRecord,
    Trust,
)
from sdcoreml.ground.errors import UnsafePickleError
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
FLOATS = name("torch", "FloatStorage")
VIEW = group(text("storage"), FLOATS, text("0"), b"N", integer(1), text("v")) + b"Q"
UNTYPED = name("torch.storage", "UntypedStorage")
BYTES = group(text("storage"), UNTYPED, text("7"), text("cpu"), integer(6)) + b"Q"


def of_bytes(dtype: bytes, numel: int = 6) -> bytes:
    """Return a tensor of three numbers of this dtype, whose storage is declared in bytes."""
    on = group(text("storage"), UNTYPED, text("7"), text("cpu"), integer(numel)) + b"Q"
    arguments = (on, integer(0), group(integer(3)), group(integer(1)), b"\x89", b"}")
    return call(name("torch._utils", "_rebuild_tensor_v3"), *arguments, dtype)


def read(root: bytes, trust: Trust = Trust.STRICT) -> tuple[Any, Records]:
    records = Records("model.bin", trust)
    return interpret(io.BytesIO(finished(root)), records), records


def test_a_tensor_is_described_and_its_storage_noted() -> None:
    record, records = read(tensor(ON, [3, 4]))
    assert record == TensorRecord(StorageRecord("0", "F32", 12), "F32", (3, 4), (4, 1), 0)
    assert records.storages == {"0": StorageRecord("0", "F32", 12)}


def test_a_parameter_is_its_tensor() -> None:
    wrapped = call(name("torch._utils", "_rebuild_parameter"), tensor(ON, [12]), b"\x88", b"}")
    assert read(wrapped)[0].shape == (12,)


def test_a_typed_tensor_on_plain_bytes() -> None:
    record, _ = read(of_bytes(name("torch", "bfloat16")))
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
        (of_bytes(name("torch", "bfloat16"), numel=5), "reaches past its storage '7' of 5 bytes"),
        (of_bytes(name("torch", "FloatStorage")), r"unsupported dtype torch\.FloatStorage"),
        (of_bytes(text("bfloat16")), "unsupported dtype bfloat16"),
        (of_bytes(b"N"), "unsupported dtype None"),
        (tensor(BYTES, [6]), "a tensor without a dtype"),
        (
            group(text("storage"), FLOATS, text("0"), b"N", integer(1), text("v")) + b"Q",
            "storage view, which",
        ),
        (storage("0", "float32", (1 << 48) + 1), "storage 0 with an impossible size"),
    ],
)
def test_a_lie_is_told(root: bytes, why: str) -> None:
    with pytest.raises(MalformedPickleError, match=why):
        read(root)


def test_a_name_that_is_not_printable_is_refused() -> None:
    with pytest.raises(MalformedPickleError, match=r"not printable text: 'a\.b\\x1bc'"):
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
    with pytest.raises(UnsafePickleError, match=r"\(nothing was run\); do not load this file"):
        read(call(name(module, "system"), text("touch evil")), trust)


def test_the_older_constructor_makes_the_same_tensor() -> None:
    arguments = (ON, integer(3), group(integer(2), integer(2)), group(integer(2), integer(1)))
    older = call(name("torch._utils", "_rebuild_tensor"), *arguments)
    record, _ = read(older)
    assert (record.shape, record.stride, record.offset) == ((2, 2), (2, 1), 3)


def test_a_shape_is_a_tuple() -> None:
    assert read(call(name("torch", "Size"), group(integer(2), integer(3))))[0] == (2, 3)


def test_a_view_that_is_nothing_is_no_view() -> None:
    on = group(text("storage"), FLOATS, text("0"), text("cpu"), integer(12), b"N") + b"Q"
    assert read(tensor(on, [12]))[0].storage == StorageRecord("0", "F32", 12)


def test_a_number_may_be_a_storage_s_key() -> None:
    on = group(text("storage"), FLOATS, integer(5), text("cpu"), integer(12)) + b"Q"
    assert read(on)[1].storages == {"5": StorageRecord("5", "F32", 12)}


def test_an_ordered_dict_is_made_of_its_pairs_with_names() -> None:
    pairs = b"](" + group(text("a"), integer(1)) + group(integer(2), integer(3)) + b"e"
    assert read(call(name("collections", "OrderedDict"), pairs))[0] == {"a": 1}
    assert read(call(name("collections", "OrderedDict")))[0] == {}


def test_a_refusal_says_what_was_named_and_what_to_do() -> None:
    with pytest.raises(UnsafePickleError) as caught:
        read(call(name("os", "system"), text("x")))
    assert str(caught.value) == (
        "model.bin: the pickle names 'os.system', which can run code (nothing was run); "
        "do not load this file; get a .safetensors version or ask its author"
    )
    with pytest.raises(UnsafePickleError) as caught:
        read(call(name("lightning", "x" * 500)))
    assert len(str(caught.value)) < 300


def test_only_what_is_no_part_of_the_format_is_counted() -> None:
    root = mapping({"w": tensor(ON, [12]), "a": call(name("m", "C")), "b": call(name("m", "C"))})
    assert read(root, Trust.INERT)[1].unknown == {"m.C": 2}
