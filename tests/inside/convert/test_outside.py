"""Tests the rules that graphs and references share against sources outside this project.

The pinned libraries are called as their users call them. What apps do was recorded from Apple's
own Swift sources (ml-stable-diffusion at c891f43 and e12202c, compiled unmodified).
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch
import transformers
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.transformer_2d import Transformer2DModel
from safetensors.torch import load_file
from transformers.activations import ACT2FN

from sdcoreml.convert.bundle.contract import BASE_TIME_IDS, REFINER_TIME_IDS
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.parity.figures import distance
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.unet import schedule
from sdcoreml.convert.proof import settings
from sdcoreml.convert.references import inputs
from sdcoreml.convert.references.vision import noise_of_velocity, own_size
from tests.inside.convert.mil.packages import open_package
from tests.inside.convert.programs.configs import TEXT, VAE
from tests.inside.convert.programs.models import checkpoint

SWIFT_SHARES = (
    *(0.9995749, 0.94563377, 0.8681543, 0.7684407, 0.6515235),
    *(0.52567345, 0.4009769, 0.28726432, 0.19201449, 0.118958466),
)
"""`alpha_t`, the image's share, at each 100th step of Swift's DPMSolverMultistepScheduler."""

LAST_SHARE = 0.068265
"""`alpha_t` at the last step: not 0, a known flaw of this schedule (arXiv 2305.08891, table 1)."""


def test_the_schedule_is_the_one_that_swift_has_built_in() -> None:
    shares = schedule()["signal"]
    assert shares[::100].tolist() == pytest.approx(SWIFT_SHARES, abs=1e-6)
    assert float(shares[-1]) == pytest.approx(LAST_SHARE, abs=1e-6)
    for place, share in enumerate(SWIFT_SHARES):
        step = torch.tensor([100.0 * place])
        noise = noise_of_velocity(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), step)
        assert float(noise) == pytest.approx(share, abs=1e-6)


def test_the_first_and_the_last_step_that_swift_asks_for_are_asked() -> None:
    """In runs of 11 to 100 steps, Karras' timesteps go from 999 to 0, and PNDM's end at 1."""
    assert {999.0, 1.0, 0.0} < {step for run in inputs.TIMESTEPS for step in run}


def test_time_ids_are_those_that_swift_sends() -> None:
    sent = (1024, 1024, 0, 0, 1024, 1024)
    assert inputs.TIME_IDS[BASE_TIME_IDS][0] == sent
    negative = (1024, 1024, 0, 0, 2.5)
    assert inputs.TIME_IDS[REFINER_TIME_IDS][0] == negative


def pipeline(kind: Any, ids: int, **config: Any) -> Any:
    """Return a stand-in for SDXL's pipeline that has what `_get_add_time_ids` uses."""
    made = kind.__new__(kind)
    layer = SimpleNamespace(in_features=4 * ids + 8)
    unet = SimpleNamespace(
        config=SimpleNamespace(addition_time_embed_dim=4),
        add_embedding=SimpleNamespace(linear_1=layer),
    )
    made.register_to_config(**config)
    object.__setattr__(made, "unet", unet)
    return made


def test_an_image_states_its_size_as_diffusers_pipelines_do() -> None:
    latent = torch.zeros(1, 4, 96, 64)
    size, crop, kind = (768, 512), (0, 64), torch.float32
    base = pipeline(diffusers.StableDiffusionXLPipeline, 6)
    expected = base._get_add_time_ids(size, crop, size, kind, text_encoder_projection_dim=8)
    sent = torch.tensor([[1024.0, 1024, 0, 64, 1024, 1024]])
    assert torch.equal(own_size(sent, latent), expected)
    refiner = pipeline(
        diffusers.StableDiffusionXLImg2ImgPipeline, 5, requires_aesthetics_score=True
    )
    positive, negative = refiner._get_add_time_ids(
        *(size, crop, size, 6.0, 2.5, size, crop, size, kind),
        text_encoder_projection_dim=8,
    )
    sent = torch.tensor([[1024.0, 1024, 0, 64, 6.0]])
    assert torch.equal(own_size(sent, latent), positive)
    assert torch.equal(own_size(sent - torch.tensor([0, 0, 0, 0, 3.5]), latent), negative)


@pytest.mark.parametrize("skipped", [1, 2])
def test_clip_skip_is_that_of_diffusers_pipeline_and_counts_from_one_more(
    skipped: int, tmp_path: Path
) -> None:
    made = checkpoint("text_encoder", tmp_path, {"num_hidden_layers": 4})
    encoder = transformers.CLIPTextModel(transformers.CLIPTextConfig(**made.config)).eval()
    state = {name: tensor.float() for name, tensor in load_file(made.weights).items()}
    encoder.load_state_dict(state, strict=False)
    ids = torch.tensor([[118, 5, 9, 30, *[119] * 73]])
    pipe = diffusers.StableDiffusionPipeline.__new__(diffusers.StableDiffusionPipeline)
    tokenizer = SimpleNamespace(model_max_length=77, all_special_tokens=[])
    call = type("Tokenizer", (), {"__call__": lambda *_, **__: SimpleNamespace(input_ids=ids)})()
    call.model_max_length = tokenizer.model_max_length
    call.tokenize = lambda _: []
    for name, part in {"text_encoder": encoder, "tokenizer": call, "unet": None}.items():
        object.__setattr__(pipe, name, part)
    with torch.no_grad():
        expected, _ = pipe.encode_prompt("", "cpu", 1, False, clip_skip=skipped)  # noqa: FBT003
    package = made.write(tmp_path / "x.mlpackage", ProgramOptions(clip_skip=skipped + 1))
    with open_package(package) as program:
        found = program.run({"input_ids": ids.float()}, Mode.FP32)["last_hidden_state"]
    assert distance(expected, found)[0] > 100


def test_epsilons_and_factors_are_those_of_the_pinned_modules() -> None:
    block = BasicTransformerBlock(8, 2, 4)
    assert {block.norm1.eps, block.norm3.eps} == {settings.LAYER_NORM}
    assert transformers.CLIPTextConfig().layer_norm_eps == settings.LAYER_NORM
    assert transformers.CLIPVisionConfig().layer_norm_eps == settings.LAYER_NORM
    spatial = Transformer2DModel(2, 4, in_channels=8, norm_num_groups=2)
    assert spatial.norm.eps == settings.BEFORE_TRANSFORMER
    vae = diffusers.AutoencoderKL.from_config(dict(VAE))
    norms = [part for part in vae.modules() if isinstance(part, torch.nn.GroupNorm)]
    assert {norm.eps for norm in norms} == {settings.AUTOENCODER}
    assert vae.config.scaling_factor == settings.OWN_SCALE
    small = {"block_out_channels": (32, 32), "norm_num_groups": 8, "cross_attention_dim": 8}
    kinds = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    unet = diffusers.UNet2DConditionModel(**small, **kinds)
    assert unet.config.norm_eps == unet.conv_norm_out.eps == settings.DENOISER
    assert TEXT["hidden_act"] == "quick_gelu"
    one = torch.ones((), dtype=torch.float64)
    assert float(ACT2FN["quick_gelu"](one)) == float(torch.sigmoid(one * settings.QUICK_GELU))


def test_attention_is_scaled_as_torch_does_it() -> None:
    q, k, v = torch.randn(3, 1, 2, 5, 40, dtype=torch.float64).unbind(0)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    scores = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5
    torch.testing.assert_close(torch.softmax(scores, -1) @ v, expected)
