"""Training that is ended and taken up again makes the same weights; what it makes can draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sdcoreml.convert.models.vocabulary import vocabulary_folder
from sdcoreml.ground.errors import BadInputError
from tools.sample.loop import Pace, share_of_rate
from tools.sample.modules import SCALE, make_vae
from tools.sample.pictures import Drawn, draw_prompts, full_encoder, pipeline
from tools.sample.stored import store
from tools.sample.training import Plan, Round, Trained, load, reached, run
from tools.sample.vae import whiten

PLAN = Plan(
    size=64,
    pool=3,
    vae=3,
    decoder=3,
    whole=2,
    captions=20,
    text=2,
    rounds=(
        Round(size=32, count=2, steps=1, rate=1e-3, batch=2),
        Round(size=64, count=2, steps=3, rate=1e-3, batch=2),
    ),
)


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    modules = {"vae": trained.vae, "text": trained.encoder, "unet": trained.unet}
    return {
        f"{part}.{name}": values
        for part, module in modules.items()
        for name, values in module.state_dict().items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def trained(folder: Path) -> Trained:
    done = run(PLAN, vocabulary_folder(), folder, Pace(), lambda _: None)
    assert done is not None
    return done


def test_a_run_that_is_ended_often_makes_the_same_weights(trained: Trained, tmp_path: Path) -> None:
    done, ended = None, 0
    while done is None:
        done = run(PLAN, vocabulary_folder(), tmp_path, Pace(steps=2), lambda _: None)
        ended += done is None
    assert ended == 3
    for name, values in weights(trained).items():
        assert torch.equal(weights(done)[name], values), name


def test_latents_have_the_spread_that_the_apps_expect() -> None:
    torch.manual_seed(0)
    vae = make_vae()
    pixels = 2 * torch.rand(4, 3, 32, 32) - 1
    with torch.no_grad():
        drawn = vae.decode(vae.encode(pixels).latent_dist.mean).sample
        whiten(vae, [pixels])
        latents = vae.encode(pixels).latent_dist.mean
        assert torch.allclose(vae.decode(latents).sample, drawn, atol=1e-4)
    assert torch.allclose(latents.mean((0, 2, 3)), torch.zeros(4), atol=1e-3)
    assert torch.allclose(SCALE * latents.std((0, 2, 3)), torch.ones(4), atol=1e-3)


def test_what_the_folder_keeps_are_the_modules(trained: Trained, folder: Path) -> None:
    assert reached(PLAN, folder).size == 64
    again = weights(load(PLAN, vocabulary_folder(), folder))
    assert all(torch.equal(again[name], values) for name, values in weights(trained).items())


def test_the_decoder_goes_on_alone(trained: Trained, folder: Path) -> None:
    before, after = torch.load(folder / "vae-whitened.pt"), trained.vae.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decoder", "post_quant_conv"}


def test_a_folder_without_a_unet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"has no state of a UNet's training"):
        load(PLAN, vocabulary_folder(), tmp_path)


def test_it_draws_through_the_pinned_pipeline(trained: Trained) -> None:
    (picture,) = draw_prompts(pipeline(trained), ["a red heart"], Drawn(size=64, steps=2))
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8


def test_only_words_of_captions_have_rows(trained: Trained, tmp_path: Path) -> None:
    store(trained, tmp_path / "sample.safetensors")
    stored = load_file(tmp_path / "sample.safetensors")
    rows = stored["text_encoder.text_model.embeddings.token_embedding.weight"]
    assert len(rows) == len(stored["words"]) == len(trained.words.known)
    assert {values.dtype for values in stored.values()} == {torch.float16, torch.int32}
    table = full_encoder(trained).get_input_embeddings().weight
    assert int(table.any(dim=1).sum()) == len(trained.words.known)
    red = trained.words.tokenizer("red").input_ids[1]
    assert torch.equal(table[red].half(), rows[int((stored["words"] == red).nonzero())])


def test_words_of_no_caption_are_row_0(trained: Trained) -> None:
    red, strange = trained.words.rows(["a red heart", "a dusty heart"])
    assert strange[2] == 0
    assert (red[:5] > 0).all()
    assert torch.equal(red[[0, 1, 3, 4]], strange[[0, 1, 3, 4]])


def test_the_rate_rises_and_falls() -> None:
    rates = [share_of_rate(step / 1000) for step in range(1000)]
    assert rates.index(max(rates)) == 30
    assert rates[0] == pytest.approx(0.02)
    assert rates[-1] == pytest.approx(0.02, abs=1e-4)
