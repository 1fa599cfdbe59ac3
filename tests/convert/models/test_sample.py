from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.models.sample import (
    CONFIGS,
    EMBEDDINGS,
    NAME,
    STORED,
    WORDS,
    is_older_sample,
    is_sample,
    write_sample,
)
from sdcoreml.convert.models.sample_folder import KINDS
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.models.vocabulary import vocabulary_folder
from sdcoreml.convert.weights.records import Trust
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.convert.weights.torch_zip import read_zip

Arrays: TypeAlias = Mapping[str, NDArray[np.generic]]
KNOWN = (320, 736, 49406, 49407)


def stored() -> dict[str, NDArray[np.generic]]:
    """Make the tensors of a stored sample; each is filled with a number of its own."""
    arrays: dict[str, NDArray[np.generic]] = {WORDS: np.array(KNOWN, np.int32)}
    for component, config in CONFIGS.items():
        for name, shape in (parameters(KINDS[component], config) or {}).items():
            rows = (len(KNOWN), *shape[1:]) if name == EMBEDDINGS else shape
            arrays[f"{component}.{name}"] = np.full(rows, len(arrays) / 64, np.float16)
    return arrays


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sample")
    save_file(stored(), place / "stored.safetensors")
    write_sample(place / "sample", vocabulary_folder(), place / "stored.safetensors")
    return place / "sample"


def read(shard: Path, name: str) -> NDArray[np.float32]:
    found = read_zip(shard, Trust.STRICT)
    assert isinstance(found.root, dict)
    tensor = found.root[name]
    start = found.starts[tensor.storage.key]
    values = np.frombuffer(shard.read_bytes(), np.float32, tensor.storage.numel, start)
    return np.asarray(values.reshape(tensor.shape))


def test_it_is_a_whole_model_in_the_form_that_diffusers_cannot_load(folder: Path) -> None:
    model = open_model(folder)
    assert model.family.value == "Stable Diffusion 1.x"
    files = {name: len(part.weights) for name, part in model.components.items()}
    assert files == {"text_encoder": 1, "unet": 5, "vae": 1}
    assert sorted(path.name for path in (folder / "unet").iterdir()) == [
        "config.json",
        *(f"diffusion_pytorch_model-{n:05d}-of-00005.bin" for n in range(1, 6)),
        "diffusion_pytorch_model.bin.index.json",
    ]


def test_its_tokenizer_has_the_vocabulary_of_all_stable_diffusion_models(folder: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        assert (folder / "tokenizer" / name).read_bytes() == (
            vocabulary_folder() / name
        ).read_bytes()
    settings = json.loads((folder / "tokenizer" / "tokenizer_config.json").read_text())
    assert settings["model_max_length"] == 77


def test_only_words_of_captions_have_an_embedding(folder: Path) -> None:
    table = read(folder / "text_encoder" / "pytorch_model.bin", EMBEDDINGS)
    assert table.shape == (49408, 64)
    assert np.flatnonzero(table.any(axis=1)).tolist() == list(KNOWN)


def test_numbers_are_those_that_are_stored(folder: Path) -> None:
    name = "up_blocks.3.resnets.2.conv2.weight"
    index = json.loads((folder / "unet" / "diffusion_pytorch_model.bin.index.json").read_text())
    values = read(folder / "unet" / index["weight_map"][name], name)
    assert (values == stored()[f"unet.{name}"].astype(np.float32)).all()


def test_an_older_or_unfinished_sample_is_none(folder: Path, tmp_path: Path) -> None:
    assert is_sample(folder)
    assert not is_sample(tmp_path)
    (tmp_path / "model_index.json").write_text("{}")
    assert not is_sample(tmp_path)
    assert not is_older_sample(tmp_path)
    older = (folder / "model_index.json").read_text().replace(NAME, "sdcoreml sample 1")
    (tmp_path / "model_index.json").write_text(older)
    assert is_older_sample(tmp_path)
    assert not is_sample(tmp_path)


def test_the_weights_of_the_package_are_complete_and_small() -> None:
    assert STORED.stat().st_size < 10_000_000
    expected = stored()
    with TensorFile.open(STORED) as weights:
        assert set(weights.names()) == set(expected)
        words = weights[WORDS]
        assert (np.diff(words) > 0).all()
        for name in weights.names():
            shape = (len(words), 64) if name.endswith(EMBEDDINGS) else expected[name].shape
            if name != WORDS:
                assert weights[name].shape == shape, name
                assert np.isfinite(weights[name]).all(), name
