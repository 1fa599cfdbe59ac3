from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.tokenizer import PADS, TokenizerSource, find_tokenizer
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event


def write(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text("{}")
    (folder / "merges.txt").write_text("")
    return folder


@pytest.mark.parametrize("place", [".", "tokenizer"])
def test_it_is_found_beside_the_checkpoint(tmp_path: Path, place: str) -> None:
    folder = write(tmp_path / place)
    assert find_tokenizer(tmp_path / "m.ckpt", None).folder.samefile(folder)


def test_a_model_folder_may_be_given_too(tmp_path: Path) -> None:
    write(tmp_path / "model" / "tokenizer")
    found = find_tokenizer(tmp_path / "m.ckpt", tmp_path / "model")
    assert found.folder == tmp_path / "model" / "tokenizer"


def test_what_was_given_is_not_replaced_by_what_lies_around(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(
        BadInputError, match=r"empty: the folder has no vocab\.json and merges\.txt; give"
    ):
        find_tokenizer(tmp_path / "m.ckpt", tmp_path / "empty")


@pytest.mark.parametrize("family", list(PADS))
def test_every_family_gets_its_tokenizers_and_their_padding(tmp_path: Path, family: Family) -> None:
    files = TokenizerSource(folder=write(tmp_path)).files(family)
    for name, pad in PADS[family].items():
        config = files[f"{name}/tokenizer_config.json"]
        assert isinstance(config, bytes)
        assert json.loads(config)["pad_token"] == pad
        assert files[f"{name}/vocab.json"] == tmp_path / "vocab.json"
    assert len(files) == 3 * len(PADS[family])


def test_without_one_beside_the_checkpoint_it_is_the_one_that_all_share(tmp_path: Path) -> None:
    shared = write(tmp_path / "shared")
    events: list[Event] = []

    def common(emit: Emit) -> Path:
        emit(Event(kind="step", text="bring it"))
        return shared

    (tmp_path / "models").mkdir()
    found = find_tokenizer(tmp_path / "models" / "m.ckpt", None, events.append, common)
    assert found.folder == shared
    assert [event.text for event in events] == ["bring it"]
