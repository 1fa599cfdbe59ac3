from __future__ import annotations

import math

import pytest

from sdcoreml.convert.models.model_index import kind_of
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.doctor.core.certified import PUBLISHED, Published
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
