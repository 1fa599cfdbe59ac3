from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sdcoreml.convert.models.family import Family, Task, identify

XL = {"addition_embed_type": "text_time"}
LINEAR = {"use_linear_projection": True}
TEXT: Mapping[str, Any] = {}
_BASE = (Family.SDXL, Task.TEXT_TO_IMAGE)
_REFINER = (Family.SDXL_REFINER, Task.TEXT_TO_IMAGE)


@pytest.mark.parametrize(
    ("configs", "scheduler", "expected"),
    [
        ({"unet": {}}, {}, (Family.SD1, Task.TEXT_TO_IMAGE)),
        ({"unet": {"in_channels": 9}}, {}, (Family.SD1, Task.INPAINTING)),
        ({"unet": {"in_channels": 8}}, {}, (Family.SD1, Task.INSTRUCT)),
        ({"unet": {"in_channels": 5} | LINEAR}, {}, (Family.SD2_BASE, Task.DEPTH)),
        ({"unet": {"in_channels": 7}}, {}, (Family.SD1, Task.UPSCALING)),
        ({"unet": {"in_channels": 6}}, {}, (Family.SD1, Task.OTHER)),
        ({"unet": LINEAR}, {"prediction_type": "epsilon"}, (Family.SD2_BASE, Task.TEXT_TO_IMAGE)),
        ({"unet": LINEAR}, {"prediction_type": "v_prediction"}, (Family.SD2_V, Task.TEXT_TO_IMAGE)),
        ({"unet": XL, "text_encoder": TEXT}, {}, (Family.SDXL, Task.TEXT_TO_IMAGE)),
        ({"unet": XL, "text_encoder_2": TEXT}, {}, (Family.SDXL_REFINER, Task.TEXT_TO_IMAGE)),
        ({"unet": XL}, {}, (Family.SDXL, Task.TEXT_TO_IMAGE)),
        ({"unet": XL | {"cross_attention_dim": 1280}}, {}, _REFINER),
        ({"unet": XL | {"cross_attention_dim": 1280}, "text_encoder": TEXT}, {}, _BASE),
        ({"unet": XL | {"block_out_channels": [32, 64, 64, 64]}}, {}, _REFINER),
        ({"unet": XL | {"block_out_channels": [32, 64, 64]}}, {}, _BASE),
        ({"unet": {"addition_embed_type": "image"}}, {}, (Family.UNKNOWN, Task.TEXT_TO_IMAGE)),
        ({"unet": {"_class_name": "UNet3DConditionModel"}}, {}, (Family.UNKNOWN, Task.OTHER)),
        ({}, {}, (Family.UNKNOWN, Task.OTHER)),
    ],
)
def test_families_are_told_apart_by_structure(
    configs: Mapping[str, Mapping[str, Any]],
    scheduler: Mapping[str, Any],
    expected: tuple[Family, Task],
) -> None:
    assert identify("StableDiffusionPipeline", configs, scheduler) == expected


def test_pipelines_without_a_unet_are_known_by_their_class() -> None:
    assert identify("StableDiffusion3Pipeline", {}, {}) == (Family.SD3, Task.OTHER)
    assert identify("FluxPipeline", {}, {}) == (Family.FLUX, Task.OTHER)


@pytest.mark.parametrize(
    "pipeline",
    [
        *("AltDiffusionPipeline", "AnimateDiffPipeline", "AudioLDM2Pipeline", "I2VGenXLPipeline"),
        *("IFPipeline", "KandinskyV22Pipeline", "KolorsPipeline", "LDMSuperResolutionPipeline"),
        *("LatentDiffusionUncondPipeline", "MusicLDMPipeline", "StableCascadePriorPipeline"),
        *("StableDiffusionLatentUpscalePipeline", "StableVideoDiffusionPipeline"),
        *("TextToVideoSDPipeline", "UnCLIPPipeline", "UniDiffuserPipeline"),
        *("VersatileDiffusionPipeline", "VideoToVideoSDPipeline", "WuerstchenPriorPipeline"),
    ],
)
def test_a_stranger_may_have_the_same_unet(pipeline: str) -> None:
    assert identify(pipeline, {"unet": {}}, {}) == (Family.UNKNOWN, Task.OTHER)


def test_what_people_read_of_families_and_tasks() -> None:
    assert [family.value for family in Family] == [
        *("Stable Diffusion 1.x", "Stable Diffusion 2.x base"),
        *("Stable Diffusion 2.x v-prediction", "Stable Diffusion XL base"),
        *("Stable Diffusion XL refiner", "Stable Diffusion 3", "FLUX", "unknown"),
    ]
    assert [task.value for task in Task] == [
        *("text to image", "inpainting", "instruct-pix2pix", "upscaling", "depth to image"),
        "other",
    ]
