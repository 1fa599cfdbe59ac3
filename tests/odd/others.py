"""Models of other families: pipelines, lone transformers, single files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.odd import base
from tests.odd.case import Case, Why, no

TRANSFORMERS: Mapping[str, tuple[str, str, Mapping[str, tuple[int, ...]]]] = {
    "sd3": (
        "StableDiffusion3Pipeline",
        "SD3Transformer2DModel",
        {
            "transformer_blocks.0.attn.add_q_proj.weight": (64, 64),
            "pos_embed.pos_embed": (1, 9, 64),
        },
    ),
    "sd35": (
        "StableDiffusion3Pipeline",
        "SD3Transformer2DModel",
        {
            "transformer_blocks.0.attn.add_q_proj.weight": (64, 64),
            "transformer_blocks.0.attn.norm_q.weight": (64,),
        },
    ),
    "flux": (
        "FluxPipeline",
        "FluxTransformer2DModel",
        {
            "transformer_blocks.0.attn.add_q_proj.weight": (64, 64),
            "single_transformer_blocks.0.proj_mlp.weight": (64, 64),
        },
    ),
    "flux2": (
        "Flux2Pipeline",
        "Flux2Transformer2DModel",
        {
            "transformer_blocks.0.attn.add_q_proj.weight": (64, 64),
            "single_transformer_blocks.0.attn.to_qkv_mlp_proj.weight": (64, 64),
        },
    ),
    "qwen": (
        "QwenImagePipeline",
        "QwenImageTransformer2DModel",
        {
            "transformer_blocks.0.attn.add_q_proj.weight": (64, 64),
            "transformer_blocks.0.img_mod.1.weight": (64, 64),
            "txt_norm.weight": (64,),
        },
    ),
    "pixart": (
        "PixArtSigmaPipeline",
        "PixArtTransformer2DModel",
        {"adaln_single.linear.weight": (64, 64), "caption_projection.linear_1.weight": (64, 64)},
    ),
    "auraflow": (
        "AuraFlowPipeline",
        "AuraFlowTransformer2DModel",
        {
            "joint_transformer_blocks.0.attn.to_q.weight": (64, 64),
            "register_tokens": (1, 8, 64),
        },
    ),
    "hunyuan": (
        "HunyuanDiTPipeline",
        "HunyuanDiT2DModel",
        {"blocks.0.attn1.to_q.weight": (64, 64), "text_embedding_padding": (77, 64)},
    ),
    "z-image": (
        "ZImagePipeline",
        "ZImageTransformer2DModel",
        {"layers.0.attention.to_q.weight": (64, 64), "noise_refiner.0.ffn.w1.weight": (64, 64)},
    ),
    "wan": (
        "WanPipeline",
        "WanTransformer3DModel",
        {"blocks.0.attn1.to_q.weight": (64, 64), "patch_embedding.weight": (64, 16, 1, 2, 2)},
    ),
}
"""For each family: the classes of pipeline and transformer, and the shapes of some tensors."""


def transformer_folder(family: str, at: Path) -> Path:
    pipeline, kind, shapes = TRANSFORMERS[family]
    model = at / f"{family}-model"
    index = {"_class_name": pipeline, "_diffusers_version": "0.36.0"}
    parts = {"transformer": ["diffusers", kind], "vae": ["diffusers", "AutoencoderKL"]}
    base.write(model / "model_index.json", index | parts)
    base.write(model / "transformer" / "config.json", {"_class_name": kind, "num_layers": 1})
    base.write(base.weights(model, "transformer"), base.safetensors(base.drawn(shapes)))
    base.write(model / "vae" / "config.json", base.VAE | {"latent_channels": 16})
    base.write(base.weights(model, "vae"), base.component_bytes("sd1", "vae"))
    return model


def transformer_alone(family: str, at: Path) -> Path:
    return transformer_folder(family, at) / "transformer"


def transformer_file(family: str, at: Path) -> Path:
    shapes = TRANSFORMERS[family][2]
    return base.write(at / f"{family}.safetensors", base.safetensors(base.drawn(shapes)))


ORIGINALS: Mapping[str, tuple[str, ...]] = {
    "sd3-original": (
        "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight",
        "first_stage_model.decoder.conv_in.weight",
        "text_encoders.clip_l.transformer.text_model.final_layer_norm.weight",
    ),
    "flux-original": (
        "double_blocks.0.img_attn.qkv.weight",
        "single_blocks.0.linear1.weight",
        "img_in.weight",
    ),
    "flux-comfy": (
        "model.diffusion_model.double_blocks.0.img_attn.qkv.weight",
        "model.diffusion_model.single_blocks.0.linear1.weight",
        "vae.decoder.conv_in.weight",
        "text_encoders.t5xxl.transformer.shared.weight",
    ),
    "cascade-original": (
        "down_blocks.0.0.channelwise.0.weight",
        "clip_txt_pooled_mapper.weight",
        "effnet_mapper.0.weight",
    ),
    "svd-original": (
        "model.diffusion_model.input_blocks.1.1.time_stack.0.attn1.to_q.weight",
        "model.diffusion_model.input_blocks.0.0.weight",
        "conditioner.embedders.0.open_clip.model.visual.proj",
        "first_stage_model.decoder.conv_in.weight",
    ),
    "pixart-original": (
        "x_embedder.proj.weight",
        "t_block.1.weight",
        "y_embedder.y_proj.fc1.weight",
    ),
    "hunyuan-video": (
        "img_in.proj.weight",
        "txt_in.individual_token_refiner.blocks.0.norm1.weight",
    ),
}
"""Single files of other families: the names of some of their tensors, by family."""


def other_file(family: str, at: Path) -> Path:
    tensors = base.drawn(dict.fromkeys(ORIGINALS[family], (64, 64)))
    return base.write(at / f"{family}.safetensors", base.safetensors(tensors))


PIPELINES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "cascade": ("StableCascadePriorPipeline", {"prior": "StableCascadeUNet"}),
    "wuerstchen": ("WuerstchenDecoderPipeline", {"decoder": "WuerstchenDiffNeXt"}),
    "svd": (
        "StableVideoDiffusionPipeline",
        {"unet": "UNetSpatioTemporalConditionModel", "vae": "AutoencoderKLTemporalDecoder"},
    ),
    "kandinsky": ("KandinskyV22Pipeline", {"unet": "UNet2DConditionModel", "movq": "VQModel"}),
    "deepfloyd": ("IFPipeline", {"unet": "UNet2DConditionModel", "text_encoder": "T5EncoderModel"}),
    "animatediff": ("AnimateDiffPipeline", {"unet": "UNetMotionModel", "vae": "AutoencoderKL"}),
    "ddpm": ("DDPMPipeline", {"unet": "UNet2DModel"}),
    "audioldm": (
        "AudioLDMPipeline",
        {"unet": "UNet2DConditionModel", "vocoder": "SpeechT5HifiGan"},
    ),
}
"""For each family: the class of its pipeline, and the classes of its components."""


def other_folder(family: str, at: Path) -> Path:
    pipeline, parts = PIPELINES[family]
    model = at / f"{family}-model"
    index: dict[str, Any] = {"_class_name": pipeline, "_diffusers_version": "0.30.0"}
    for name, kind in parts.items():
        index[name] = ["diffusers", kind]
        config = {"_class_name": kind, "in_channels": 8, "block_out_channels": [32, 32]}
        if family in ("kandinsky", "deepfloyd", "audioldm"):
            config |= {
                "encoder_hid_dim": 64,
                "down_block_types": ["SimpleCrossAttnDownBlock2D"] * 2,
            }
        base.write(model / name / "config.json", config)
        tensors = base.drawn({"conv_in.weight": (32, 8, 3, 3), "conv_in.bias": (32,)})
        base.write(base.weights(model, name), base.safetensors(tensors))
    base.write(model / "model_index.json", index)
    return model


CASES: tuple[Case, ...] = (
    *(
        no(f"{name}-folder", partial(transformer_folder, name), Why.FAMILY, "a DiT pipeline")
        for name in TRANSFORMERS
    ),
    *(
        no(f"{name}-transformer-folder", partial(transformer_alone, name), Why.FAMILY, "a lone DiT")
        for name in ("sd3", "flux", "qwen")
    ),
    *(
        no(f"{name}-transformer-file", partial(transformer_file, name), Why.FAMILY, "a lone DiT")
        for name in TRANSFORMERS
    ),
    *(
        no(f"{name}-file", partial(other_file, name), Why.FAMILY, "a file of another family")
        for name in ORIGINALS
    ),
    *(
        no(
            f"{name}-folder",
            partial(other_folder, name),
            Why.FAMILY,
            "a pipeline of another family",
        )
        for name in PIPELINES
    ),
)
