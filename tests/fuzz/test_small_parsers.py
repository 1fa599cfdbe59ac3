"""Small parsers accept or reject any input without crashing (with hypothesis)."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdcoreml.convert.bundle.tokenizer import check_tokenizer, read_tokenizer
from sdcoreml.convert.compile.literals import LiteralError
from sdcoreml.convert.compile.parse import parse as parse_mil
from sdcoreml.convert.compile.words import TextError
from sdcoreml.convert.compression.recipe import parse_recipe
from sdcoreml.convert.spec.reader import parse_model
from sdcoreml.convert.weights.header import HeaderError
from sdcoreml.convert.weights.header import parse as parse_header
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.ground.codec import DecodeError
from sdcoreml.ground.errors import SdcoremlError
from tests.convert.compile import texts
from tests.convert.spec import packages
from tests.convert.weights import torch_files
from tests.fuzz.archives import mutate_numbers, mutate_pickle
from tests.fuzz.lines import mutate_line
from tests.fuzz.messages import mutate as mutate_message
from tests.odd import base

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
)  # NaN and infinity among them: Python's JSON writes them
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("a", "bits", "layers", "shape", "dtype")), inner, max_size=4
        )
    ),
    max_leaves=8,
)
SEEDS = st.integers(0, 1 << 32).map(Random)
few = settings(max_examples=25)
MODEL = packages.model(texts.source(texts.OPERATIONS), packages.metadata())
ARRAYS = {"a": np.zeros((2, 3), "f2"), "b": np.ones(4, "f4")}


def opened(path: Path, content: bytes) -> None:
    """Open a checkpoint with this content; if that fails, the error must be one of ours."""
    path.write_bytes(content)
    with suppress(SdcoremlError):
        open_checkpoint(path)


@few
@given(VALUES, VALUES)
def test_a_safetensors_header(entry: Any, metadata: Any) -> None:
    text = json.dumps({"a": entry, "__metadata__": metadata}).encode()
    with suppress(HeaderError):
        parse_header(text)


@few
@given(st.dictionaries(st.sampled_from(("dtype", "shape", "data_offsets")), VALUES))
def test_an_entry_of_a_header(entry: Any) -> None:
    sound = {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}
    with suppress(HeaderError):
        parse_header(json.dumps({"a": sound | entry}).encode())


@few
@given(SEEDS)
def test_a_pickle_in_a_zip_file(tmp_path_factory: pytest.TempPathFactory, random: Random) -> None:
    path = tmp_path_factory.getbasetemp() / "pickled.ckpt"
    pickled = mutate_pickle(torch_files.state_dict(ARRAYS), random)
    opened(path, torch_files.write_zip(path, ARRAYS, pickled=pickled).read_bytes())


@few
@given(SEEDS)
def test_an_old_pickle(tmp_path_factory: pytest.TempPathFactory, random: Random) -> None:
    path = tmp_path_factory.getbasetemp() / "old.ckpt"
    opened(path, mutate_pickle(torch_files.write_legacy(path, ARRAYS).read_bytes(), random))


@few
@given(SEEDS)
def test_a_directory_of_a_zip_file(
    tmp_path_factory: pytest.TempPathFactory, random: Random
) -> None:
    path = tmp_path_factory.getbasetemp() / "zipped.ckpt"
    opened(path, mutate_numbers(torch_files.write_zip(path, ARRAYS).read_bytes(), random))


@few
@given(SEEDS)
def test_a_model_in_protobuf(random: Random) -> None:
    with suppress(SdcoremlError):
        parse_model(mutate_message(MODEL, random))


@few
@given(SEEDS)
def test_the_text_of_a_program(random: Random) -> None:
    with suppress(LiteralError, TextError):
        parse_mil(mutate_line(texts.STATEFUL.encode(), random).decode("utf-8", "replace"))


@few
@given(st.dictionaries(st.sampled_from(("method", "bits", "layers", "programs", "x")), VALUES))
def test_a_recipe(fields: Any) -> None:
    with suppress(SdcoremlError, DecodeError):
        parse_recipe(fields)


@few
@given(VALUES, st.text(max_size=40))
def test_a_tokenizer(tmp_path_factory: pytest.TempPathFactory, vocab: Any, merges: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "tokenizer"
    base.write(folder / "vocab.json", json.dumps(vocab))
    base.write(folder / "merges.txt", merges)
    with suppress(SdcoremlError):
        list(check_tokenizer(read_tokenizer(folder), folder))
