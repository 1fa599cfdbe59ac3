from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sdcoreml.convert.models.model_index import kind_of
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.doctor.core.certified import (
    PUBLISHED,
    Published,
    is_certified,
    is_certified_at_another_size,
)
from tests.doctor.healthy import MODEL, part
from tools.certify.models import MODELS

CLASSES = {
    "text_encoder": "CLIPTextModel",
    "text_encoder_2": "CLIPTextModelWithProjection",
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
}


@pytest.mark.parametrize(
    ("published", "model"), [*zip(PUBLISHED, ("sd1", "sd2-base", "sdxl"), strict=True)]
)
def test_parameters_are_those_of_the_configs_that_were_certified(
    published: Published, model: str
) -> None:
    known = MODELS[model]
    assert published.titles[0] == known.title
    counted = {}
    for name, config in known.configs.items():
        shapes = parameters(kind_of(config) or CLASSES[name], config)
        assert shapes
        counted[name] = sum(map(math.prod, shapes.values()))
    assert counted == published.parameters


SD2 = replace(
    MODEL,
    components=tuple(part(name, parameters=n) for name, n in PUBLISHED[1].parameters.items()),
)
CERTIFIED = {
    "unet: Stable Diffusion 2.x v-prediction, SPLIT_EINSUM, 768x512",
    "text_encoder: Stable Diffusion 2.x base",
    "vae_decoder: Stable Diffusion 1.x, 768x512",
    "vae_encoder: Stable Diffusion 2.x base, 768x512",
    "vae_decoder: Stable Diffusion 1.x, 512x512",
}


@pytest.mark.parametrize(
    ("name", "attention", "size", "here", "elsewhere"),
    [
        ("unet", "SPLIT_EINSUM", (768, 512), True, True),
        ("unet", "SPLIT_EINSUM", (512, 768), False, True),
        ("unet", "ORIGINAL", (768, 512), False, False),
        ("unet", "SPLIT_EINSUM_V2", (768, 512), False, False),
        ("vae", "ORIGINAL", (768, 512), True, True),
        ("vae", "ORIGINAL", (512, 512), False, True),
        ("text_encoder", "ORIGINAL", (768, 512), True, False),
    ],
)
def test_a_part_is_certified_under_any_title_of_its_model(
    name: str, attention: str, size: tuple[int, int], *, here: bool, elsewhere: bool
) -> None:
    (one,) = (part for part in SD2.components if part.name == name)
    found = is_certified(one, SD2, CERTIFIED, attention=attention, size=size)
    at_any = is_certified_at_another_size(one, SD2, CERTIFIED, attention=attention)
    assert (found, at_any) == (here, elsewhere)


def test_a_unet_for_comfyui_has_certificates_of_its_own() -> None:
    (unet,) = (part for part in SD2.components if part.name == "unet")
    known = {"unet: Stable Diffusion 2.x base for ComfyUI, ORIGINAL, 256x256"}
    for caller, attention, at_any in (
        (" for ComfyUI", "ORIGINAL", True),
        ("", "ORIGINAL", False),
        (" for ComfyUI", "SPLIT_EINSUM", False),
    ):
        asked: dict[str, str] = {"attention": attention, "caller": caller}
        assert is_certified_at_another_size(unet, SD2, known, **asked) is at_any
        assert is_certified(unet, SD2, known, size=(256, 256), **asked) is at_any
        assert not is_certified(unet, SD2, known, size=(512, 512), **asked)


@pytest.mark.parametrize("change", [0.998, 1.002])
def test_a_part_of_another_size_is_not_certified(change: float) -> None:
    unet, *others = SD2.components
    other = replace(unet, parameters=round(unet.parameters * change))
    model = replace(SD2, components=(other, *others))
    options = {"attention": "SPLIT_EINSUM", "size": (768, 512)}
    assert not is_certified(other, model, CERTIFIED, **options)  # type: ignore[arg-type]
    assert not is_certified(other, SD2, CERTIFIED, **options)  # type: ignore[arg-type]
    assert not is_certified_at_another_size(other, SD2, CERTIFIED, attention="SPLIT_EINSUM")
    stranger = part("safety_checker", parameters=0)
    assert not is_certified(stranger, SD2, {f"safety_checker: {PUBLISHED[1].titles[0]}"}, **options)  # type: ignore[arg-type]
