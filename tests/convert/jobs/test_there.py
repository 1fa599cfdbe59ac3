"""Whether a folder is what a conversion would write now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.there import is_there, keep_finished, model_key
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.models.ingredients import EmbeddingSource, Ingredients
from sdcoreml.convert.models.lora import LoraSource
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import Weights
from sdcoreml.convert.models.unpack import UnpackOptions
from tests.convert.stand_ins import MADE_IN, StandIn, job_of, write_model

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Return a workshop; all files count as settled at once, however new they are."""
    monkeypatch.setattr("sdcoreml.convert.cache.digests._SETTLED", -(10**10))
    cache = Cache(folder=tmp_path / "cache")
    return Workshop(runner=StandIn(size=SIZE), toolchain=MADE_IN, cache=cache)


def job_in(folder: Path) -> Job:
    return job_of(open_model(folder / "model"), folder / "out")


def made(folder: Path, shop: Workshop) -> Ingredients:
    write_model(folder / "model")
    convert_models([job_in(folder)], shop)
    return Ingredients(model=folder / "model")


def test_what_was_just_made_is_there_unless_anything_else_is_asked_for(
    tmp_path: Path, shop: Workshop
) -> None:
    model = made(tmp_path, shop)
    job = job_in(tmp_path)
    assert is_there(job, model, shop)
    higher = replace(job, options=replace(job.options, height=8))
    assert not is_there(higher, model, shop)
    assert not is_there(replace(job, redo=frozenset({"unet"})), model, shop)
    assert not is_there(replace(job, output=tmp_path / "elsewhere"), model, shop)
    assert not is_there(job, model, replace(shop, toolchain=replace(MADE_IN, lock="0" * 64)))
    assert not is_there(job, model, replace(shop, cache=None))
    assert not is_there(job, model, replace(shop, cache=Cache(folder=tmp_path / "another")))


CHANGES: tuple[tuple[str, str | None], ...] = (
    ("model/tokenizer/merges.txt", "#version: 0.2\nb a</w>"),
    ("out/Unet.mlmodelc/model.mil", "damaged"),
    ("out/Unet.mlmodelc/more", "a stranger"),
    ("out/manifest.json", None),
    ("out/merges.txt", None),
)


def test_it_is_not_there_while_anything_is_changed(tmp_path: Path, shop: Workshop) -> None:
    model = made(tmp_path, shop)
    job = job_in(tmp_path)
    for name, content in CHANGES:
        path = tmp_path / name
        before = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
        assert not is_there(job, model, shop), name
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)
        assert is_there(job, model, shop), name
    (tmp_path / "model/vae/diffusion_pytorch_model.safetensors").write_text("other weights")
    assert not is_there(job, model, shop)


def test_a_folder_of_an_assembled_model_is_known_by_what_it_was_assembled_from(
    tmp_path: Path, shop: Workshop
) -> None:
    plain = made(tmp_path, shop)
    (tmp_path / "vae.safetensors").write_bytes(b"a")
    mixed = replace(plain, unpacking=UnpackOptions(vae=tmp_path / "vae.safetensors"))
    job = job_in(tmp_path)
    assert not is_there(job, mixed, shop)
    keep_finished(mixed, job, replace(shop, cache=None))
    assert not is_there(job, mixed, shop)
    keep_finished(mixed, job, shop)
    assert is_there(job, mixed, shop)
    (tmp_path / "vae.safetensors").write_bytes(b"b")
    assert not is_there(job, mixed, shop)


def test_everything_that_a_model_is_assembled_from_counts(tmp_path: Path, shop: Workshop) -> None:
    for name in ("m", "vae", "lora", "word", "config"):
        (tmp_path / name).write_text(name)
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer/vocab.json").write_text("{}")
    (tmp_path / "tokenizer/merges.txt").write_text("")
    bare = Ingredients(model=tmp_path / "m")
    lora = LoraSource(path=tmp_path / "lora")
    told = PredictionSource(option="epsilon")
    config = PredictionSource(config=tmp_path / "config")
    word = EmbeddingSource(path=tmp_path / "word")
    variants = (
        bare,
        replace(bare, model=tmp_path / "tokenizer"),
        replace(bare, loras=(lora,)),
        replace(bare, loras=(replace(lora, scale=0.5),)),
        replace(bare, loras=(lora, lora)),
        replace(bare, embeddings=(word,)),
        replace(bare, embeddings=(replace(word, word="other"),)),
        replace(bare, unpacking=UnpackOptions(vae=tmp_path / "vae")),
        replace(bare, unpacking=UnpackOptions(tokenizer=tmp_path / "tokenizer")),
        replace(bare, unpacking=UnpackOptions(told=told)),
        replace(bare, unpacking=UnpackOptions(told=config)),
        replace(bare, unpacking=UnpackOptions(weights=Weights.AVERAGED)),
    )
    assert shop.cache
    keys = [model_key(one, shop.cache) for one in variants]
    assert len({*keys}) == len(keys)
    named = replace(bare, embeddings=(replace(word, word="word"),))
    assert model_key(named, shop.cache) == keys[5]
    assert [model_key(one, shop.cache) for one in variants] == keys
    (tmp_path / "tokenizer/merges.txt").write_text("a b")
    changed = [model_key(one, shop.cache) != key for one, key in zip(variants, keys, strict=True)]
    assert [place for place, is_changed in enumerate(changed) if is_changed] == [1, 8]
