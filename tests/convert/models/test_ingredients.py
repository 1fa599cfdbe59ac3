from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.models.folder_plan import write_folder
from sdcoreml.convert.models.ingredients import (
    EmbeddingSource,
    Ingredients,
    combine,
    parse_embedding,
)
from sdcoreml.convert.models.lora import LoraSource
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import Weights
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Event
from tests.convert.models.originals import original_vae
from tests.convert.models.test_single_file import VAE, original, save
from tests.convert.models.test_unpack import tokenizer

TARGET = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
LORA = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    tokenizer(tmp_path / "tokenizer")
    return save(tmp_path / "m.safetensors", original("sd1"))


@pytest.fixture
def folder(tmp_path: Path, file: Path) -> Path:
    write_folder(combine(Ingredients(model=file)), tmp_path / "folder")
    return tmp_path / "folder"


def tensor(path: Path, name: str) -> np.ndarray:
    found = {tensor.name: tensor for tensor in open_checkpoint(path).tensors}[name]
    return np.fromfile(path, "<f2", offset=found.start, count=found.numel).reshape(found.shape)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_vae_and_a_lora_go_into_a_file_and_into_a_folder(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    other = {name: array + np.float16(1) for name, array in VAE.items()}
    vae = save(tmp_path / "vae.safetensors", original_vae(other))
    model: Path = request.getfixturevalue(kind)
    plain = combine(Ingredients(model=model))
    write_folder(plain, tmp_path / "plain")
    name = "unet/diffusion_pytorch_model.safetensors"
    before = tensor(tmp_path / "plain" / name, TARGET)
    lora = {
        f"{LORA}.lora_up.weight": np.ones((len(before), 1), "f4"),
        f"{LORA}.lora_down.weight": np.ones((1, before.shape[1]), "f4"),
    }
    source = LoraSource(path=save(tmp_path / "lora.safetensors", lora), scale=0.5)
    changed = Ingredients(model=model, unpacking=UnpackOptions(vae=vae), loras=(source, source))
    write_folder(combine(changed), tmp_path / "changed")
    after = tensor(tmp_path / "changed" / name, TARGET)
    np.testing.assert_array_equal(after, (before.astype("f4") + 1).astype("f2"))
    vae_name = "vae/diffusion_pytorch_model.safetensors"
    some = "decoder.conv_in.weight"
    old, new = (tensor(tmp_path / made / vae_name, some) for made in ("plain", "changed"))
    np.testing.assert_array_equal(new, old + np.float16(1))


def test_what_the_file_says_of_itself_is_passed_on(file: Path) -> None:
    arrays: dict[str, Any] = {**original("sd1"), "epoch": np.zeros(1, "f4")}
    save(file, arrays)
    events: list[Event] = []
    with pytest.raises(BadInputError, match="epoch"):
        combine(Ingredients(model=file), events.append)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"weights": Weights.AVERAGED}, "averaged weights (EMA)"),
        ({"told": PredictionSource(option="epsilon")}, "a prediction type"),
        ({"told": PredictionSource(config=Path("v2.yaml"))}, "a training config"),
        ({"image_size": 512, "tokenizer": Path("t")}, "an image size and a tokenizer"),
    ],
)
def test_what_a_folder_says_itself_is_not_asked_for(
    folder: Path, options: dict[str, Any], what: str
) -> None:
    with pytest.raises(BadInputError) as caught:
        combine(Ingredients(model=folder, unpacking=UnpackOptions(**options)))
    assert str(caught.value) == (
        f"{folder}: {what} can be chosen only for single-file checkpoints;"
        " a folder's own files determine it; leave it out"
    )


def test_only_a_folder_without_changes_is_taken_as_it_is(folder: Path, file: Path) -> None:
    lora, word = LoraSource(path=file), EmbeddingSource(path=file)
    assert Ingredients(model=folder).is_plain
    assert not Ingredients(model=file).is_plain
    assert not Ingredients(model=folder, loras=(lora,)).is_plain
    assert not Ingredients(model=folder, embeddings=(word,)).is_plain
    assert not Ingredients(model=folder, unpacking=UnpackOptions(vae=file)).is_plain


def test_every_named_file_is_listed(folder: Path) -> None:
    vae, lora, word = (folder / f"{name}.safetensors" for name in ("vae", "lora", "word"))
    vae.touch()
    named = Ingredients(
        model=folder,
        unpacking=UnpackOptions(vae=vae),
        loras=(LoraSource(path=lora),),
        embeddings=(EmbeddingSource(path=word),),
    )
    assert list(named.files()) == [vae, lora, word]


@pytest.mark.parametrize(
    ("text", "path", "word"),
    [("a.pt", "a.pt", None), ("a.pt:cat", "a.pt", "cat"), ("a.pt:", "a.pt", None)],
)
def test_an_embedding_is_a_file_and_maybe_a_word(text: str, path: str, word: str | None) -> None:
    assert parse_embedding(text) == EmbeddingSource(path=Path(path), word=word)


def test_a_lora_for_few_steps_tells_what_to_set(tmp_path: Path) -> None:
    tokenizer(tmp_path / "tokenizer")
    model = save(tmp_path / "photo.safetensors", original("sd1"))
    lora = {
        f"{LORA}.lora_up.weight": np.ones((32, 1), "f4"),
        f"{LORA}.lora_down.weight": np.ones((1, 32), "f4"),
    }
    source = LoraSource(path=save(tmp_path / "lcm-lora.safetensors", lora))
    assert combine(Ingredients(model=model)).settings is None
    settings = combine(Ingredients(model=model, loras=(source,))).settings
    assert settings
    assert (settings.kind, settings.by) == (
        "lcm",
        "the name or metadata of lcm-lora.safetensors say",
    )


def test_what_is_assumed_and_what_to_set_is_told_once_while_the_model_is_read(
    tmp_path: Path,
) -> None:
    tokenizer(tmp_path / "tokenizer")
    events: list[Event] = []
    combine(Ingredients(model=save(tmp_path / "turbo.safetensors", original("sd1"))), events.append)
    notes = [event.text.partition(":")[0] for event in events if event.kind == "note"]
    assert notes == ["the model does not say what it predicts", "its name says turbo"]
