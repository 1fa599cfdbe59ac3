from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.models.embedding import (
    TABLE,
    add_embedding,
    read_embedding,
)
from sdcoreml.convert.models.folder_plan import ComponentFiles, FolderPlan
from sdcoreml.convert.models.words import encode
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.convert.weights.writer import write_safetensors
from sdcoreml.ground.errors import BadInputError
from tests.convert.weights.torch_files import finished, mapping, storage, tensor, write_zip

MERGES = ["#version: 0.2", "c a", "ca t", "ca t</w>", "d o"]
WIDTH = 768
ROWS = np.arange(3 * WIDTH, dtype="f4").reshape(3, WIDTH)
VECTORS = np.linspace(-1, 1, 2 * WIDTH, dtype="f4").reshape(2, WIDTH)


def save(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    safetensors.numpy.save_file(arrays, path)
    return path


def plan(folder: Path, *encoders: str) -> FolderPlan:
    path = save(folder / "table.safetensors", {TABLE: ROWS})
    files: dict[str, Path | bytes] = {}
    for tokenizer in [name.replace("text_encoder", "tokenizer") for name in encoders]:
        vocabulary = {"a": 0, "<|startoftext|>": 1, "<|endoftext|>": 2}
        files[f"{tokenizer}/vocab.json"] = json.dumps(vocabulary).encode()
        files[f"{tokenizer}/merges.txt"] = ("\n".join(MERGES) + "\n").encode()
    part = ComponentFiles(
        kind="CLIPTextModel",
        config={"vocab_size": 3, "eos_token_id": 2},
        tensors=open_checkpoint(path).tensors,
        whole=path,
    )
    return FolderPlan(parts=dict.fromkeys(encoders, part), files=files)


def text(found: FolderPlan, name: str) -> str:
    content = found.files[name]
    assert isinstance(content, bytes)
    return content.decode()


def rows(folder: Path, found: FolderPlan, component: str = "text_encoder") -> np.ndarray:
    write_safetensors(found.parts[component].tensors, folder / "out.safetensors")
    return np.asarray(safetensors.numpy.load_file(folder / "out.safetensors")[TABLE])


def test_what_to_type_is_noted(tmp_path: Path) -> None:
    path = save(tmp_path / "Cat-Toy.safetensors", {"emb_params": VECTORS})
    found = add_embedding(plan(tmp_path, "text_encoder"), read_embedding(path))
    assert found.notes == (
        "for Cat-Toy.safetensors type <cat-toy> <cat-toy_1> in a prompt, with a space before : > _",
    )


def test_vectors_become_rows_and_words(tmp_path: Path) -> None:
    path = save(tmp_path / "Cat-Toy.safetensors", {"emb_params": VECTORS})
    found = add_embedding(plan(tmp_path, "text_encoder"), read_embedding(path))
    np.testing.assert_array_equal(rows(tmp_path, found), np.concatenate([ROWS, VECTORS]))
    part = found.parts["text_encoder"]
    assert part.config == {"vocab_size": 5, "eos_token_id": 2}
    assert part.whole is None
    vocabulary = json.loads(text(found, "tokenizer/vocab.json"))
    assert (vocabulary["<cat-toy></w>"], vocabulary["<cat-toy_1></w>"]) == (3, 4)
    added = json.loads(text(found, "tokenizer/added_tokens.json"))
    assert added == {"<cat-toy>": 3, "<cat-toy_1>": 4}
    merges = text(found, "tokenizer/merges.txt").splitlines()
    assert merges[: len(MERGES)] == MERGES
    for word in ("<cat-toy>", "<cat-toy_1>"):
        assert encode(word, merges) == [f"{word}</w>"]


def test_other_words_keep_their_tokens(tmp_path: Path) -> None:
    path = save(tmp_path / "x.safetensors", {"emb_params": VECTORS})
    found = add_embedding(plan(tmp_path, "text_encoder"), read_embedding(path, "cat"))
    merges = text(found, "tokenizer/merges.txt").splitlines()
    for word in ("cat", "cats", "dot", "a", "concatenate", "cat>"):
        assert encode(word, merges) == encode(word, MERGES)


@given(st.text("cat<do>", min_size=1, max_size=8), st.text("cat", min_size=1, max_size=4))
def test_no_word_without_the_mark_changes(word: str, name: str) -> None:
    pieces = encode(f"<{name}>", MERGES)
    lengths = [sum(map(len, pieces[:count])) for count in range(1, len(pieces) + 1)]
    joined = "".join(pieces)
    longer = [
        *MERGES,
        *(f"{joined[:end]} {piece}" for end, piece in zip(lengths[:-1], pieces[1:], strict=True)),
    ]
    if "<" not in word:
        assert encode(word, longer) == encode(word, MERGES)
    assert encode(f"<{name}>", longer) == [joined]


def test_one_vector_and_two_encoders(tmp_path: Path) -> None:
    path = save(tmp_path / "x.safetensors", {"clip_l": VECTORS[0], "clip_g": VECTORS[1]})
    model = plan(tmp_path, "text_encoder", "text_encoder_2")
    found = add_embedding(model, read_embedding(path, "x"))
    for component, vector in (("text_encoder", VECTORS[0]), ("text_encoder_2", VECTORS[1])):
        np.testing.assert_array_equal(rows(tmp_path, found, component)[3:], vector[None])
    assert "<x></w>" in json.loads(text(found, "tokenizer_2/vocab.json"))


def test_the_file_of_a_trainer_and_several_in_a_row(tmp_path: Path) -> None:
    inner = mapping({"*": tensor(storage("0", "float16", WIDTH), [1, WIDTH])})
    pickled = finished(mapping({"string_to_param": inner}))
    half = VECTORS[0].astype("f2")
    path = write_zip(tmp_path / "one.pt", {"*": half}, pickled=pickled)
    found = plan(tmp_path, "text_encoder")
    for name in ("one", "two"):
        found = add_embedding(found, read_embedding(path, name))
    np.testing.assert_array_equal(rows(tmp_path, found)[3:], [half.astype("f4")] * 2)
    assert json.loads(text(found, "tokenizer/added_tokens.json")) == {"<one>": 3, "<two>": 4}


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    model = plan(tmp_path, "text_encoder")
    narrow = save(tmp_path / "n.safetensors", {"emb_params": VECTORS[:, :5]})
    with pytest.raises(BadInputError, match="its vectors have width 5, but the model's have 768"):
        add_embedding(model, read_embedding(narrow))
    wide = save(tmp_path / "w.safetensors", {"clip_l": VECTORS, "clip_g": VECTORS})
    with pytest.raises(BadInputError, match="the model has text_encoder; this embedding"):
        add_embedding(model, read_embedding(wide))
    path = save(tmp_path / "x.safetensors", {"emb_params": VECTORS})
    twice = add_embedding(model, read_embedding(path))
    with pytest.raises(BadInputError, match="the word <x> already exists"):
        add_embedding(twice, read_embedding(path))
    bare = FolderPlan(parts=model.parts, files={})
    with pytest.raises(BadInputError, match=r"has no tokenizer/vocab\.json to add a word to"):
        add_embedding(bare, read_embedding(path))


def test_what_is_no_embedding_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.safetensors", {"conv": np.zeros((1, 2, 3, 3), "f4")})
    with pytest.raises(BadInputError, match="not a textual inversion"):
        read_embedding(path)


@pytest.mark.parametrize("name", ["two words", "é", "<>", "a.b"])
def test_a_name_must_be_typable(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / "bad name.safetensors", {"emb_params": VECTORS})
    with pytest.raises(BadInputError, match="cannot be used as a word in prompts"):
        read_embedding(path, name)


def test_more_vectors_than_a_prompt_holds_are_refused(tmp_path: Path) -> None:
    rows = np.zeros((1001, 4), "f4")
    path = save(tmp_path / "many.safetensors", {"emb_params": rows})
    with pytest.raises(BadInputError, match="has more vectors than a prompt has room for; give an"):
        read_embedding(path)
    assert read_embedding(save(path, {"emb_params": rows[:1000]})).name == "many"
