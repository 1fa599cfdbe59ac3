from __future__ import annotations

import pytest

from sdcoreml.convert.bundle.apps import APPLE, COMFYUI, MOCHI, verdicts
from sdcoreml.convert.models.contents import (
    Contents,
    Kind,
    Shapes,
    recognise,
)
from sdcoreml.convert.models.family import Family, Task
from tests.convert.models.test_single_file import original

ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn2"
T2I = Task.TEXT_TO_IMAGE


def shapes(name: str) -> Shapes:
    return {key: array.shape for key, array in original(name).items()}


SPECIMENS: tuple[tuple[Shapes, Contents], ...] = (
    (shapes("sd1"), Contents(kind=Kind.PIPELINE, family=Family.SD1, task=T2I)),
    (shapes("sdxl"), Contents(kind=Kind.PIPELINE, family=Family.SDXL, task=T2I)),
    (shapes("refiner"), Contents(kind=Kind.PIPELINE, family=Family.SDXL_REFINER, task=T2I)),
    (
        {"lora_unet_down_attn2_to_k.lora_down.weight": (4, 768), "lora_te_x.alpha": ()},
        Contents(kind=Kind.LORA, family=Family.SD1, flavour="kohya"),
    ),
    (
        {"lora_unet_attn2_to_k.hada_w1_a": (8, 4)},
        Contents(kind=Kind.LORA, flavour="LoHa (LyCORIS)"),
    ),
    (
        {f"unet.{ATTENTION}.to_k.lora_A.weight": (4, 2048)},
        Contents(kind=Kind.LORA, family=Family.SDXL, flavour="PEFT"),
    ),
    (
        {f"unet.{ATTENTION}.processor.to_k_lora.down.weight": (4, 1024)},
        Contents(kind=Kind.LORA, family=Family.SD2_BASE, flavour="diffusers"),
    ),
    (
        {"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": (3, 1)},
        Contents(kind=Kind.TRANSFORMER, family=Family.SD3, flavour="3"),
    ),
    (
        {
            "model.diffusion_model.joint_blocks.0.x_block.attn.ln_q.weight": (3,),
            "first_stage_model.encoder.conv_in.weight": (1,),
        },
        Contents(kind=Kind.PIPELINE, family=Family.SD3, flavour="3.5"),
    ),
    (
        {"double_blocks.0.img_attn.qkv.weight": (1,), "single_blocks.0.linear1.weight": (1,)},
        Contents(kind=Kind.TRANSFORMER, family=Family.FLUX),
    ),
    (
        {"controlnet_cond_embedding.conv_in.weight": (16, 3), f"{ATTENTION}.to_k.weight": (1, 768)},
        Contents(kind=Kind.CONTROLNET, family=Family.SD1),
    ),
    *(
        (
            {
                "conv_in.weight": (320, 4, 3, 3),
                "time_embedding.linear_1.weight": (1280, 320),
                f"{ATTENTION}.to_k.weight": (320, 768),
                of_a_net: (4,),
            },
            Contents(kind=Kind.CONTROLNET, family=Family.SD1),
        )
        for of_a_net in (
            "controlnet_down_blocks.0.bias",
            "input_hint_block.0.bias",
            "zero_convs.0.0.bias",
        )
    ),
    ({"adapter.body.0.resnets.0.block1.weight": (1,)}, Contents(kind=Kind.T2I_ADAPTER)),
    (
        {
            "conv_in.weight": (320, 9, 3, 3),
            "time_embedding.linear_1.weight": (1280, 320),
            "time_embedding.cond_proj.weight": (320, 256),
            f"{ATTENTION}.to_k.weight": (320, 768),
        },
        Contents(kind=Kind.UNET, family=Family.SD1, task=Task.INPAINTING, flavour="LCM"),
    ),
    (
        {"conv_in.weight": (320,), "time_embedding.linear_1.weight": (1280, 320)},
        Contents(kind=Kind.UNET, task=Task.OTHER),
    ),
    (
        {"encoder.conv_in.weight": (1, 3, 3, 3), "decoder.conv_in.weight": (1, 4, 3, 3)},
        Contents(kind=Kind.VAE),
    ),
    (
        {"text_model.encoder.layers.0.self_attn.q_proj.weight": (768, 768)},
        Contents(kind=Kind.TEXT_ENCODER),
    ),
    ({"*": (3, 768)}, Contents(kind=Kind.TEXTUAL_INVERSION, family=Family.SD1)),
    (
        {"clip_g": (2, 1280), "clip_l": (2, 768)},
        Contents(kind=Kind.TEXTUAL_INVERSION, family=Family.SDXL),
    ),
    ({"model.0.weight": (64, 3, 3, 3)}, Contents(kind=Kind.UNKNOWN)),
    ({}, Contents(kind=Kind.UNKNOWN)),
)


@pytest.mark.parametrize(("tensors", "expected"), SPECIMENS)
def test_tensors_tell_what_they_are(tensors: Shapes, expected: Contents) -> None:
    assert recognise(tensors) == expected


@pytest.mark.parametrize(
    ("contents", "runs"),
    [
        (Contents(kind=Kind.PIPELINE, family=Family.SD1, task=T2I), "yes yes yes"),
        (Contents(kind=Kind.PIPELINE, family=Family.SD1, task=Task.INPAINTING), "no no no"),
        (
            Contents(kind=Kind.PIPELINE, family=Family.SD1, task=T2I, flavour="LCM"),
            "no no yes",
        ),
        (
            Contents(kind=Kind.PIPELINE, family=Family.SD2_V, task=T2I),
            "limited limited limited",
        ),
        (Contents(kind=Kind.PIPELINE, family=Family.SDXL, task=T2I), "yes yes yes"),
        (Contents(kind=Kind.PIPELINE, family=Family.SD3, task=Task.OTHER), "no no no"),
        (Contents(kind=Kind.PIPELINE, family=Family.SD3, flavour="3.5"), "no no no"),
        (Contents(kind=Kind.PIPELINE, family=Family.FLUX), "no no no"),
        (Contents(kind=Kind.CONTROLNET, family=Family.SD1), "yes yes no"),
        (Contents(kind=Kind.CONTROLNET, family=Family.SDXL), "no no no"),
        (Contents(kind=Kind.LORA, family=Family.SD1), "no no no"),
        (Contents(kind=Kind.UNKNOWN), "no no no"),
    ],
)
def test_each_target_answers_with_a_reason(contents: Contents, runs: str) -> None:
    found = verdicts(contents)
    assert [verdict.target for verdict in found] == [APPLE, MOCHI, COMFYUI]
    assert " ".join(verdict.runs for verdict in found) == runs
    assert all(verdict.reason for verdict in found)


def test_every_kind_and_family_has_an_answer() -> None:
    for kind in Kind:
        for family in Family:
            assert len(verdicts(Contents(kind=kind, family=family))) == 3


XL = (4, 2048)


@pytest.mark.parametrize(
    ("name", "flavour"),
    [
        ("lora_te_text_model.lora_down.weight", "kohya"),
        ("lora_te1_text_model.lora_down.weight", "kohya"),
        (f"unet.{ATTENTION}.to_k.lora.down.weight", "diffusers"),
        (f"unet.{ATTENTION}.to_k.lora_A.weight", "PEFT"),
        ("x.lokr_w1", "LoKr (LyCORIS)"),
        ("lora_unet_x.lokr_w1", "LoKr (LyCORIS)"),
        ("lora_unet_x.hada_w1_a", "LoHa (LyCORIS)"),
    ],
)
def test_a_lora_is_known_by_who_names_it_so(name: str, flavour: str) -> None:
    family = Family.SDXL if "attn2" in name else Family.UNKNOWN
    assert recognise({name: XL}) == Contents(kind=Kind.LORA, family=family, flavour=flavour)


@pytest.mark.parametrize(
    ("width", "family"),
    [
        (768, Family.SD1),
        (1024, Family.SD2_BASE),
        (2048, Family.SDXL),
        (1280, Family.SDXL_REFINER),
        (64, Family.UNKNOWN),
    ],
)
def test_the_width_of_the_text_tells_the_family(width: int, family: Family) -> None:
    unet = {
        "conv_in.weight": (320, 4, 3, 3),
        "time_embedding.linear_1.weight": (1280, 320),
        f"{ATTENTION}.to_k.weight": (320, width),
    }
    assert recognise(unet) == Contents(kind=Kind.UNET, family=family, task=T2I)


@pytest.mark.parametrize(
    ("names", "family", "flavour"),
    [
        (["transformer_blocks.0.attn.add_q_proj.weight"], Family.SD3, "3"),
        (
            ["transformer_blocks.0.attn.add_q_proj.weight", "transformer_blocks.0.attn.norm_q.w"],
            Family.SD3,
            "3.5",
        ),
        (["joint_blocks.0.x_block.attn.ln_q.weight"], Family.SD3, "3.5"),
        (["single_transformer_blocks.0.x"], Family.FLUX, ""),
    ],
)
def test_transformers(names: list[str], family: Family, flavour: str) -> None:
    found = recognise(dict.fromkeys(names, (1,)))
    assert found == Contents(kind=Kind.TRANSFORMER, family=family, flavour=flavour)


@pytest.mark.parametrize(
    ("tensors", "kind"),
    [
        ({"a": (768,)}, Kind.TEXTUAL_INVERSION),
        ({"a": (1, 768), "b": (3,), "c": (768,), "d": (768,)}, Kind.UNKNOWN),
        (dict.fromkeys("abcd", (768,)), Kind.TEXTUAL_INVERSION),
        (dict.fromkeys("abcde", (768,)), Kind.UNKNOWN),
        ({"a": (1, 1, 768)}, Kind.UNKNOWN),
        ({"a": ()}, Kind.UNKNOWN),
        ({"a": (767,)}, Kind.UNKNOWN),
    ],
)
def test_a_few_rows_of_a_known_width_are_an_embedding(tensors: Shapes, kind: Kind) -> None:
    assert recognise(tensors).kind is kind


@pytest.mark.parametrize(
    ("names", "flavour"),
    [
        (("time_stack.", "input_blocks."), "Stable Video Diffusion"),
        (("time_mix",), "Stable Video Diffusion"),
        (("clip_txt_pooled_mapper.",), "Stable Cascade"),
        (("clip_mapper.", "down_blocks."), "Stable Cascade"),
        (("effnet_mapper.",), "Stable Cascade"),
        (("img_in.proj.", "double_blocks."), "HunyuanVideo"),
        (("token_refiner.",), "HunyuanVideo"),
        (("double_blocks.", "img_attn_qkv."), "HunyuanVideo"),
        (("pooler.attn", "blocks.0.default_modulation"), "HunyuanDiT"),
        (("text_embedding_padding",), "HunyuanDiT"),
        (("y_embedder.y_embedding",), "PixArt"),
        (("y_embedder.y_proj.", "t_block."), "PixArt"),
        (("caption_projection.", "adaln_single."), "PixArt"),
        (("joint_transformer_blocks.",), "AuraFlow"),
        (("double_layers.", "single_layers."), "AuraFlow"),
        (("transformer_blocks.0.img_mlp.", "img_in."), "Qwen-Image"),
        (("transformer_blocks.0.img_mod.",), "Qwen-Image"),
        (("double_stream_modulation_img.",), "FLUX.2"),
        (("distilled_guidance_layer.",), "Chroma"),
        (("patch_embedding.", "blocks.0.cross_attn."), "Wan video"),
        (("patch_embedding.weight", "blocks.0.attn1."), "Wan video"),
        (("patch_embedding.weight", "blocks.0.self_attn."), "Wan video"),
        (("double_stream_blocks.", "caption_projection."), "HiDream"),
        (("time_caption_embed.",), "OmniGen"),
        (("t5_y_embedder.",), "Mochi 1 video"),
        (("pretransform.",), "Stable Audio"),
        (("patchify_proj.",), "LTX video"),
        (("noise_refiner.",), "Lumina or Z-Image"),
        (("cap_embedder.", "context_refiner."), "Lumina or Z-Image"),
        (("body.0.rdb1.",), "an ESRGAN upscaler"),
        (("RRDB_trunk.",), "an ESRGAN upscaler"),
        (("model.1.sub.0.RDB1.",), "an ESRGAN upscaler"),
        (("conv_first.", "conv_up1."), "an ESRGAN upscaler"),
    ],
)
def test_other_families_are_known_by_parts_of_names(names: tuple[str, ...], flavour: str) -> None:
    found = recognise({f"a.{name}b": (2, 2) for name in names})
    assert found == Contents(kind=Kind.OTHER_FAMILY, flavour=flavour)


def test_what_people_read_of_each_kind() -> None:
    assert [kind.value for kind in Kind] == [
        *("a whole model", "a UNet alone", "a transformer alone", "a VAE", "a text encoder"),
        *("a ControlNet", "a Control-LoRA or ControlNet-LLLite", "a T2I adapter", "a LoRA"),
        *("a textual inversion", "an IP-Adapter", "a motion module of AnimateDiff"),
        *("a hypernetwork", "a tiny VAE (TAESD)", "a model of another family", "unknown"),
    ]
