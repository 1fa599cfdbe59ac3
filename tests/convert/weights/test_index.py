from __future__ import annotations

import json
from pathlib import Path

import pytest

from convert.errors import BadInputError, UnsafePickleError
from convert.weights.fault import Fault, raise_first
from convert.weights.index import Index, compare, missing_shards, read_index

PATH = Path("unet/model.bin.index.json")
INDEX = Index(path=PATH, weights={"a": "1.bin", "b": "1.bin", "c": "2.bin"})


def said(faults: tuple[Fault, ...]) -> list[str]:
    return [fault.what for fault in faults]


def test_an_index_that_fits_has_no_faults() -> None:
    assert compare(INDEX, {"1.bin": ("a", "b"), "2.bin": ("c",)}) == ()


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (
            {"1.bin": ("a", "b"), "2.bin": ("c", "a")},
            ["1 tensor(s) in two shards, first 'a'"],
        ),
        (
            {"1.bin": ("a",), "2.bin": ()},
            ["2 tensor(s) in the index, but in no shard, first 'b'"],
        ),
        (
            {"1.bin": ("a",), "2.bin": ("c", "b")},
            ["1 tensor(s) in another shard than the index says, first 'b'"],
        ),
        (
            {"1.bin": ("a", "b", "x"), "2.bin": ("c",)},
            ["1 tensor(s) in a shard, but not in the index, first 'x'"],
        ),
        (
            {"1.bin": ("a", "c"), "2.bin": ("y",)},
            [
                "1 tensor(s) in the index, but in no shard, first 'b'",
                "1 tensor(s) in another shard than the index says, first 'c'",
                "1 tensor(s) in a shard, but not in the index, first 'y'",
            ],
        ),
    ],
)
def test_every_difference_is_told(found: dict[str, tuple[str, ...]], what: list[str]) -> None:
    assert said(compare(INDEX, found)) == what


def test_missing_shards_are_named_together(tmp_path: Path) -> None:
    path = tmp_path / "i.json"
    path.write_text(json.dumps({"weight_map": {"a": "1.bin", "b": "2.bin", "c": "3.bin"}}))
    (tmp_path / "2.bin").touch()
    (fault,) = missing_shards(read_index(path))
    assert fault.what == "2 of 3 shards missing: 1.bin, 3.bin"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "not valid JSON"),
        ('{"a": 1, "a": 2}', "duplicate key 'a'"),
        ("[]", "no weight_map"),
        ('{"weight_map": {}}', "no weight_map"),
        ('{"weight_map": {"a": 1}}', "shard name 1 is not a plain file name"),
        ('{"weight_map": {"a": "../../etc/passwd"}}', "not a plain file name"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "not a plain file name"),
        ('{"weight_map": {"a": "sub/1.bin"}}', "not a plain file name"),
        ('{"weight_map": {"a": ".."}}', "not a plain file name"),
        ('{"weight_map": {"a": "c:\\\\1.bin"}}', "not a plain file name"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_bad_index_is_refused(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "i.json"
    path.write_text(content)
    with pytest.raises(BadInputError, match=why):
        read_index(path)


def test_a_fault_and_an_error_say_the_same() -> None:
    error = BadInputError(f"{PATH}: one; two thirds; three")
    fault = Fault.of(error, PATH)
    assert (fault.what, fault.next) == ("one; two thirds", "three")
    assert str(fault) == str(error)


def test_the_gravest_fault_is_raised() -> None:
    damaged = Fault(path=PATH, what="cut short", next="again")
    unsafe = Fault(path=PATH, what="evil", next="ask", error=UnsafePickleError)
    raise_first([])
    with pytest.raises(BadInputError, match=f"^{PATH}: cut short; again$"):
        raise_first([damaged])
    with pytest.raises(UnsafePickleError, match=r"evil; ask .and 1 more: sdcoreml inspect lists"):
        raise_first([damaged, unsafe])
