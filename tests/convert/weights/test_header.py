from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.weights.dtypes import NUMPY, SIZES
from sdcoreml.convert.weights.header import (
    HeaderError,
    build,
    parse,
    parse_length,
)

TENSORS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
        lambda name: name != "__metadata__"
    ),
    st.tuples(st.sampled_from(sorted(NUMPY)), st.lists(st.integers(0, 4), max_size=3)),
    max_size=8,
)


def header(**entries: object) -> bytes:
    return json.dumps(entries).encode()


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@given(TENSORS)
def test_what_is_built_is_what_the_reference_writes(
    tensors: dict[str, tuple[str, list[int]]],
) -> None:
    ours, described = build((n, dtype, tuple(shape)) for n, (dtype, shape) in tensors.items())
    arrays = {n: np.zeros(shape, NUMPY[dtype]) for n, (dtype, shape) in tensors.items()}
    theirs = safetensors.numpy.save(arrays, metadata={"format": "pt"})
    assert theirs.startswith(ours)
    assert described.nbytes == len(theirs)


@given(TENSORS)
def test_what_is_built_parses_to_the_same_tensors(
    tensors: dict[str, tuple[str, list[int]]],
) -> None:
    data, built = build((n, dtype, tuple(shape)) for n, (dtype, shape) in tensors.items())
    assert parse_length(data) == len(data) - 8
    assert parse(data[8:]) == built
    assert {e.name: (e.dtype, list(e.shape)) for e in built.entries} == tensors


def test_metadata_is_kept_and_may_be_left_out() -> None:
    data, _ = build([("a", "F32", ())], {"format": "pt", "author": "someone"})
    assert parse(data[8:]).metadata == {"format": "pt", "author": "someone"}
    assert b"__metadata__" not in build([("a", "F32", ())], {})[0]


def test_entries_are_counted_from_the_start_of_the_file() -> None:
    data = header(a=entry("F16", [3], 0, 6))
    (found,) = parse(data).entries
    assert (found.begin, found.end) == (8 + len(data), 8 + len(data) + 6)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[]", "not a JSON object"),
        (b" {}", "not a JSON object"),
        (b"{", "not valid JSON"),
        (b'{"a":NaN}', "NaN"),
        (b'{"\xff":1}', "not UTF-8"),
        (b'{"a":{},"a":{"dtype":"F16"}}', "duplicate key 'a'"),
        (b'{"a":' + b"[" * 100_000, "JSON nested more than 100 deep"),
        (header(a=1), "lacks"),
        (header(a={"dtype": "F32"}), "lacks"),
        (header(a=entry("U8", [1 << 40, 1 << 40], 0, 8)), "impossible shape"),
        (header(a=entry("U8", [1 << 40, 1 << 40, 0], 0, 0)), "impossible shape"),
        (b'{"\\ud800":{}}', "half a character"),
        (header(a=entry("F99", [1], 0, 4)), "unknown dtype 'F99'"),
        (header(a=entry("F32", [-1], 0, 4)), "impossible"),
        (header(a=entry("F32", [True], 0, 4)), "impossible"),
        (header(a=entry("F32", [1 << 70, 0], 0, 0)), "impossible"),
        (header(a=entry("F32", [1] * 65, 0, 4)), "impossible"),
        (header(a=entry("F32", [2], 0, 4)), "needs 8 bytes, but its offsets span 4"),
        (header(a=entry("F32", [1], 4, 0)), "needs 4 bytes, but its offsets span -4"),
        (header(a=entry("F32", [1], 4, 8)), "hole of 4 bytes after 'the header'"),
        (header(a=entry("F32", [1], 0, 4), b=entry("F32", [1], 0, 4)), "'b' overlaps 'a'"),
        (header(a=entry("F32", [1], 0, 4), b=entry("F32", [1], 6, 10)), "hole of 2 bytes"),
        (header(__metadata__={"a": 1}), "metadata"),
        (header(__metadata__=[1]), "metadata"),
    ],
)
def test_a_broken_rule_is_told(data: bytes, why: str) -> None:
    with pytest.raises(HeaderError, match=why):
        parse(data)


def test_a_huge_or_missing_length_is_refused() -> None:
    with pytest.raises(HeaderError, match="100,000,001 bytes, over the limit"):
        parse_length(struct.pack("<Q", 100_000_001))
    with pytest.raises(HeaderError, match="truncated"):
        parse_length(b"1234567")


@given(st.binary(max_size=300))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(HeaderError):
        parse(b"{" + data + b"\x00")


@given(data=st.data())
def test_whatever_we_accept_the_reference_accepts_too(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    entries = data.draw(
        st.dictionaries(
            st.sampled_from("abc"),
            st.builds(
                entry,
                st.sampled_from(["F32", "U8", "F16"]),
                st.lists(st.integers(0, 3), max_size=2),
                st.integers(0, 12),
                st.integers(0, 24),
            ),
        )
    )
    text = header(**entries)
    try:
        parsed = parse(text)
    except HeaderError:
        return
    path: Path = tmp_path_factory.mktemp("header") / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(parsed.nbytes - 8 - len(text)))
    with safetensors.safe_open(path, "np") as file:
        assert sorted(file.keys()) == sorted(entries)


def test_every_type_has_a_size_of_whole_bytes() -> None:
    assert {dtype: np.dtype(name).itemsize for dtype, name in NUMPY.items()} == {
        dtype: SIZES[dtype] for dtype in NUMPY
    }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            header(a=entry("F32", [2, 3], 0, 4)),
            "tensor 'a' of shape [2, 3] and type F32 needs 24 bytes, but its offsets span 4",
        ),
        (
            header(a=entry("F32", [1], 4, 8)),
            "tensor 'a' leaves a hole of 4 bytes after 'the header'",
        ),
        (
            header(a=entry("U8", [3], 0, 3), b=entry("U8", [1], 2, 3)),
            "tensor 'b' overlaps 'a'",
        ),
        (b'{"b":1,"a":1,"c":2,"a":3}', "the header: duplicate key 'a'"),
    ],
)
def test_what_breaks_a_rule_is_named(data: bytes, said: str) -> None:
    with pytest.raises(HeaderError) as caught:
        parse(data)
    assert str(caught.value) == said


def test_the_longest_header_that_the_format_allows_is_read() -> None:
    assert parse_length(struct.pack("<Q", 100_000_000)) == 100_000_000
    assert parse_length(struct.pack("<Q", 2) + b"{}") == 2


def test_a_header_may_be_padded_with_spaces_and_be_empty() -> None:
    assert parse(b"{}      ").entries == ()
    assert parse(b"{}").nbytes == 10
    assert parse(b'{"__metadata__":null}').metadata == {}


def test_the_largest_number_that_is_accepted() -> None:
    largest = 1 << 60
    assert parse(header(a=entry("U8", [largest], 0, largest))).entries[0].shape == (largest,)
    with pytest.raises(HeaderError, match="impossible shape"):
        parse(header(a=entry("U8", [largest + 1], 0, largest + 1)))


def test_tensors_without_bytes_have_a_place_too() -> None:
    data = header(a=entry("F32", [0, 7], 0, 0), b=entry("F32", [1], 0, 4), c=entry("U8", [0], 4, 4))
    assert [one.name for one in parse(data).entries] == ["a", "b", "c"]
