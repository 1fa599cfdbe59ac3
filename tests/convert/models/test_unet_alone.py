from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.models.contents import Shapes
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.unet_alone import family_alone, name_alone

ORIGINAL: Shapes = {
    "input_blocks.0.0.weight": (320, 4, 3, 3),
    "output_blocks.0.0.in_layers.0.weight": (2560,),
    "middle_block.1.proj_in.weight": (1280, 1280, 1, 1),
    "middle_block.1.transformer_blocks.0.attn2.to_k.weight": (1280, 768),
}
DIFFUSERS: Shapes = {
    "conv_in.weight": (320, 4, 3, 3),
    "time_embedding.linear_1.weight": (1280, 320),
    "mid_block.attentions.0.proj_in.weight": (1280, 1280, 1, 1),
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight": (1280, 768),
}
MATRIX = {"mid_block.attentions.0.proj_in.weight": (1280, 1280)}
REFINER = {"middle_block.1.transformer_blocks.0.attn2.to_k.weight": (1536, 1280)}


@pytest.mark.parametrize(
    ("shapes", "family"),
    [
        (ORIGINAL, Family.SD1),
        (DIFFUSERS, Family.SD1),
        ({f"model.diffusion_model.{name}": one for name, one in ORIGINAL.items()}, Family.SD1),
        ({**DIFFUSERS, **MATRIX}, Family.SD2_V),
        ({**DIFFUSERS, **MATRIX, "add_embedding.linear_1.weight": (1280, 2816)}, Family.SDXL),
        ({**ORIGINAL, "label_emb.0.0.weight": (1280, 2816)}, Family.SDXL),
        ({**ORIGINAL, **REFINER, "label_emb.0.0.weight": (1, 2560)}, Family.SDXL_REFINER),
        ({"control_model.input_blocks.0.0.weight": (320, 4, 3, 3)}, None),
        ({"double_blocks.0.img_attn.qkv.weight": (9216, 3072)}, None),
        ({"encoder.conv_in.weight": (1,), "decoder.conv_in.weight": (1,)}, None),
        ({}, None),
    ],
)
def test_its_structure_says_which_family_it_is_of(shapes: Shapes, family: Family | None) -> None:
    assert family_alone(shapes) is family


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("LCM_Dreamshaper_v7/unet", "LCM_Dreamshaper_v7"),
        ("LCM_Dreamshaper_v7/unet/diffusion_pytorch_model.fp16", "LCM_Dreamshaper_v7"),
        ("models--SimianLuo--LCM_Dreamshaper_v7/snapshots/c7f9b67/unet", "LCM_Dreamshaper_v7"),
        ("dream.v8/unet", "dream.v8"),
        ("dream/unet/unet", "dream"),
        ("dream/unet.fp16", "dream"),
        ("ComfyUI/models/unet/dream", ""),
        ("ComfyUI/models/unet/unet", ""),
        ("ComfyUI/models/diffusion_models/unet", ""),
        ("ComfyUI/models/diffusion_models/dream/unet", "dream"),
        ("snapshots/c7f9b67/unet", "c7f9b67"),
    ],
)
def test_what_every_unet_is_called_is_no_name(path: str, name: str, tmp_path: Path) -> None:
    assert name_alone(tmp_path / path) == name


def test_a_unet_above_all_folders_keeps_its_name() -> None:
    assert name_alone(Path("/unet")) == name_alone(Path("/unet/unet")) == ""
