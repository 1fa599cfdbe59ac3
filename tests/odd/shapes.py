"""The names and shapes of tensors by which LoRAs, embeddings and other add-ons are recognised."""

from __future__ import annotations

from collections.abc import Mapping

from tests.odd.case import Why

Shapes = dict[str, tuple[int, ...]]
DOWN = "down_blocks_0_attentions_0_transformer_blocks_0"
PATH = "down_blocks.0.attentions.0.transformer_blocks.0"


def kohya(context: int = 768, start: str = "lora_unet_", width: int = 320) -> Shapes:
    stem = f"{start}{DOWN}_attn2_to_k"
    return {
        f"{stem}.alpha": (),
        f"{stem}.lora_down.weight": (4, context),
        f"{stem}.lora_up.weight": (width, 4),
    }


LORAS: Mapping[str, tuple[Shapes, str]] = {
    "kohya": (kohya(), "a LoRA in kohya's names"),
    "kohya-sdxl": (kohya(2048) | kohya(2048, "lora_te2_"), "a LoRA for SDXL"),
    "diffusers": (
        {
            f"unet.{PATH}.attn2.to_k.lora.down.weight": (4, 768),
            f"unet.{PATH}.attn2.to_k.lora.up.weight": (320, 4),
        },
        "a LoRA in diffusers' names",
    ),
    "old-diffusers": (
        {
            f"{PATH}.attn2.processor.to_k_lora.down.weight": (4, 768),
            f"{PATH}.attn2.processor.to_k_lora.up.weight": (320, 4),
        },
        "attention processors of diffusers 0.11",
    ),
    "peft": (
        {
            f"base_model.model.{PATH}.attn2.to_k.lora_A.weight": (4, 768),
            f"base_model.model.{PATH}.attn2.to_k.lora_B.weight": (320, 4),
        },
        "a LoRA in PEFT's names",
    ),
    "locon": (
        {
            f"lora_unet_{DOWN}_ff_net_2.lora_down.weight": (4, 1280),
            f"lora_unet_{DOWN}_ff_net_2.lora_up.weight": (320, 4),
            "lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight": (4, 320, 3, 3),
            "lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight": (320, 4, 1, 1),
        },
        "a LoCon, which changes convolutions",
    ),
    "loha": (
        {
            f"lora_unet_{DOWN}_attn2_to_k.hada_w{n}_{side}": (4, 320)
            for n in (1, 2)
            for side in "ab"
        },
        "a LoHa",
    ),
    "lokr": (
        {
            f"lora_unet_{DOWN}_attn2_to_k.lokr_w1": (4, 4),
            f"lora_unet_{DOWN}_attn2_to_k.lokr_w2": (80, 192),
        },
        "a LoKr",
    ),
    "dora": (
        kohya() | {f"lora_unet_{DOWN}_attn2_to_k.dora_scale": (320, 1)},
        "a DoRA",
    ),
    "flux": (
        {
            "transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight": (4, 3072),
            "transformer.single_transformer_blocks.0.attn.to_k.lora_B.weight": (3072, 4),
        },
        "a LoRA for FLUX",
    ),
}

OTHERS: Mapping[str, tuple[Shapes, Why, str]] = {
    "embedding-sd1": ({"emb_params": (2, 768)}, Why.ADD_ON, "a textual inversion"),
    "embedding-sdxl": ({"clip_l": (2, 768), "clip_g": (2, 1280)}, Why.ADD_ON, "one for SDXL"),
    "embedding-diffusers": ({"<cat-toy>": (768,)}, Why.ADD_ON, "one in diffusers' form"),
    "ip-adapter": (
        {"image_proj.proj.weight": (3072, 1024), "ip_adapter.1.to_k_ip.weight": (320, 768)},
        Why.ADD_ON,
        "an IP-Adapter",
    ),
    "motion-module": (
        {
            "down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight": (320, 320),
            "down_blocks.0.motion_modules.0.temporal_transformer.norm.weight": (320,),
        },
        Why.ADD_ON,
        "AnimateDiff's motion module",
    ),
    "t2i-adapter": (
        {
            "adapter.conv_in.weight": (320, 64, 3, 3),
            "adapter.body.0.in_conv.weight": (320, 320, 1, 1),
        },
        Why.ADD_ON,
        "a T2I adapter",
    ),
    "t2i-adapter-original": (
        {"conv_in.weight": (320, 192, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)},
        Why.ADD_ON,
        "a T2I adapter in original names",
    ),
    "controlnet-lllite": (
        {"lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight": (16, 64)},
        Why.ADD_ON,
        "a ControlNet-LLLite",
    ),
    "controlnet-original": (
        {
            "control_model.input_blocks.0.0.weight": (320, 4, 3, 3),
            "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
            "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
            "control_model.zero_convs.0.0.weight": (320, 320, 1, 1),
        },
        Why.ADD_ON,
        "a ControlNet in original names",
    ),
    "esrgan": (
        {"conv_first.weight": (64, 3, 3, 3), "body.0.rdb1.conv1.weight": (32, 64, 3, 3)},
        Why.FAMILY,
        "an upscaler",
    ),
    "esrgan-old": (
        {"model.0.weight": (64, 3, 3, 3), "model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3)},
        Why.FAMILY,
        "an upscaler by older names",
    ),
    "hypernetwork": ({"768.0.linear.0.weight": (768, 768)}, Why.ADD_ON, "a hypernetwork"),
    "text-encoder": (
        {
            "text_model.encoder.layers.0.self_attn.q_proj.weight": (768, 768),
            "text_model.embeddings.token_embedding.weight": (9, 768),
        },
        Why.COMPONENT,
        "a text encoder",
    ),
    "clip-vision": (
        {
            "vision_model.encoder.layers.0.self_attn.q_proj.weight": (64, 64),
            "visual_projection.weight": (64, 64),
        },
        Why.COMPONENT,
        "an image encoder",
    ),
    "taesd": (
        {"1.weight": (64, 4, 3, 3), "3.conv.0.weight": (64, 64, 3, 3)},
        Why.ADD_ON,
        "TAESD's decoder",
    ),
    "t5": ({"encoder.block.0.layer.0.SelfAttention.q.weight": (64, 64)}, Why.COMPONENT, "T5"),
    "optimizer": (
        {"state.0.exp_avg": (64, 64), "state.0.exp_avg_sq": (64, 64)},
        Why.NOT_A_MODEL,
        "Adam",
    ),
}
