from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.doctor.proving.families import FAMILIES

UNET = {"unet": ["diffusers", "UNet2DConditionModel"]}
VAE = {"vae": ["diffusers", "AutoencoderKL"]}
TEXT = {"text_encoder": ["transformers", "CLIPTextModel"]}
SECOND = {"text_encoder_2": ["transformers", "CLIPTextModelWithProjection"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "pipeline", "parts"),
    [
        ("sd2", "StableDiffusionPipeline", UNET | VAE | TEXT),
        ("sdxl", "StableDiffusionXLPipeline", UNET | VAE | TEXT | SECOND),
        ("refiner", "StableDiffusionXLImg2ImgPipeline", UNET | VAE | SECOND),
    ],
)
def test_a_family_is_written_as_its_libraries_would(
    family: str, pipeline: str, parts: dict[str, list[str]], tmp_path: Path
) -> None:
    FAMILIES[family](tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index == {"_class_name": pipeline, **parts}
    stems = {"diffusers": "diffusion_pytorch_model", "transformers": "pytorch_model"}
    for name, (library, kind) in parts.items():
        assert (tmp_path / name / f"{stems[library]}.bin").is_file()
        config = json.loads((tmp_path / name / "config.json").read_text())
        assert config.get("_class_name") == (kind if library == "diffusers" else None)
