"""Odd inputs, second part: single files of other families, and add-ons."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from tests.convert.weights import torch_files
from tests.odd import base
from tests.odd.addons import controlnet, file, vae_file, with_vae
from tests.odd.case import Case, Why, no, yes
from tests.odd.files import VAE, added
from tests.odd.others import ORIGINALS
from tests.odd.shapes import Shapes


def lost_loss(at: Path) -> Path:
    """Write a single-file VAE as a pickle that also has its training loss, as kl-f8 has."""
    tensors = base.original("sd1")
    tensors = {n.removeprefix(VAE): t for n, t in tensors.items() if n.startswith(VAE)}
    more = base.drawn({"loss.logvar": (), "loss.discriminator.main.0.weight": (64, 3, 4, 4)})
    return torch_files.write_zip(at / "kl-f8-anime2.ckpt", tensors | more)


def prefixed(at: Path, family: str, start: str) -> Path:
    names = [start + name.removeprefix("model.diffusion_model.") for name in ORIGINALS[family]]
    tensors = base.drawn(dict.fromkeys(names, (64, 64)))
    return base.write(at / f"{family}.safetensors", base.safetensors(tensors))


def named(at: Path, names: tuple[str, ...]) -> Path:
    tensors = base.drawn(dict.fromkeys(names, (64, 64)))
    return base.write(at / "model.safetensors", base.safetensors(tensors))


def net_in_pickle(at: Path) -> Path:
    net = controlnet(at, "sd1")
    (net / "diffusion_pytorch_model.safetensors").unlink()
    torch_files.write_zip(net / "diffusion_pytorch_model.bin", base.controlnet(base.SD1_UNET)[1])
    return net


def vae_folder_beside(at: Path) -> Path:
    base.write_folder(at / "other")
    return base.write_folder(at / "model")


def cut_vae(at: Path) -> Path:
    path = vae_file(at, original=True)
    data = path.read_bytes()
    return base.write(path, data[: len(data) // 2])


LATER_FAMILIES: dict[str, tuple[str, ...]] = {
    "chroma": (
        "double_blocks.0.img_attn.qkv.weight",
        "distilled_guidance_layer.in_proj.weight",
    ),
    "hidream": (
        "double_stream_blocks.0.block.ff_i.gate.weight",
        "caption_projection.0.linear.weight",
    ),
    "ltx-video": (
        "model.diffusion_model.transformer_blocks.0.scale_shift_table",
        "model.diffusion_model.patchify_proj.weight",
        "vae.per_channel_statistics.mean-of-means",
    ),
    "lumina2": ("cap_embedder.0.weight", "context_refiner.0.attention.qkv.weight"),
    "cosmos": ("net.blocks.0.self_attn.q_proj.weight", "net.x_embedder.proj.1.weight"),
    "wan-prefixed": (
        "model.diffusion_model.blocks.0.self_attn.q.weight",
        "model.diffusion_model.patch_embedding.weight",
        "model.diffusion_model.time_projection.1.weight",
    ),
    "qwen-prefixed": (
        "model.diffusion_model.transformer_blocks.0.attn.add_q_proj.weight",
        "model.diffusion_model.transformer_blocks.0.img_mod.1.weight",
        "model.diffusion_model.txt_norm.weight",
    ),
    "omnigen2": (
        "double_stream_layers.0.img_instruct_attn.to_q.weight",
        "time_caption_embed.caption_embedder.0.weight",
        "ref_image_refiner.0.attn.to_q.weight",
    ),
    "mochi-video": ("blocks.0.attn.qkv_x.weight", "t5_y_embedder.to_kv.weight"),
}

OFT: Shapes = {
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.oft_blocks": (4, 8, 8)
}

TWO_TEXTS: Shapes = {
    f"text_encoder{n}.text_model.encoder.layers.0.self_attn.q_proj.lora_{side}.weight": shape
    for n in ("", "_2")
    for side, shape in (("A", (4, 768)), ("B", (768, 4)))
}

CONTROL_LORA: Shapes = {
    "lora_controlnet": (0,),
    "input_blocks.0.0.weight": (320, 4, 3, 3),
    "input_hint_block.0.weight": (16, 3, 3, 3),
    "input_blocks.4.1.proj_in.up": (640, 4),
    "input_blocks.4.1.proj_in.down": (4, 640),
}

NET_FILE: Shapes = {
    "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
    "controlnet_mid_block.weight": (1280, 1280, 1, 1),
    "conv_in.weight": (320, 4, 3, 3),
}


CASES: tuple[Case, ...] = (
    # Other families
    *(
        no(
            f"{name}-later-file",
            partial(named, names=names),
            Why.FAMILY,
            "a file of another family",
        )
        for name, names in LATER_FAMILIES.items()
    ),
    no(
        "flux-under-comfys-start",
        partial(prefixed, family="flux-original", start="model.diffusion_model."),
        Why.FAMILY,
        "Flux's transformer alone, by ComfyUI's names",
    ),
    no(
        "stable-audio-file",
        lambda at: base.write(
            at / "model.ckpt",
            base.safetensors(
                base.drawn(
                    {
                        "model.model.transformer.layers.0.self_attn.to_qkv.weight": (64, 64),
                        "pretransform.model.encoder.layers.0.weight_v": (64, 64),
                    }
                )
            ),
        ),
        Why.FAMILY,
        "a model of sounds",
    ),
    # Add-ons
    no("lora-oft", partial(file, shapes=OFT), Why.ADD_ON, "an OFT", says="--lora"),
    no(
        "lora-peft-two-texts",
        partial(file, shapes=TWO_TEXTS),
        Why.ADD_ON,
        "PEFT's names, for both text encoders of SDXL",
        says="--lora",
    ),
    no("control-lora", partial(file, shapes=CONTROL_LORA), Why.ADD_ON, "Stability's Control-LoRA"),
    no("controlnet-file", partial(file, shapes=NET_FILE), Why.ADD_ON, "a ControlNet's file"),
    no("vae-with-loss", lost_loss, Why.ADD_ON, "a VAE with its training loss", says="--vae"),
    no(
        "embedding-named-by-digest",
        partial(file, shapes={"string_to_param.*": (4, 768)}, name="cat.pt"),
        Why.ADD_ON,
        "a textual inversion of the web UI, flat",
        says="--embedding",
    ),
    yes("controlnet-pickled", net_in_pickle, "a ControlNet in a pickle"),
    yes(
        "with-vae-folder",
        vae_folder_beside,
        "another model's VAE folder",
        options=("--vae", "{case}/other/vae"),
    ),
    yes(
        "with-vae-of-a-model",
        vae_folder_beside,
        "another model's folder, for its VAE",
        options=("--vae", "{case}/other"),
    ),
    no(
        "with-vae-not-there",
        partial(with_vae, original=False),
        Why.OPTION,
        "a VAE that is not there",
        options=("--vae", "{case}/nowhere.safetensors"),
    ),
    yes(
        "nan-where-nothing-is-made-of-it",
        partial(
            added,
            cond_stage_model__transformer__text_model__final_layer_norm__bias=np.full(
                64, np.nan, "f2"
            ),
        ),
        "NaN in the text encoder, and only the UNet is asked for",
        options=("--components", "unet"),
        makes={"programs": ["Unet"]},
    ),
    no(
        "vae-file-in-half",
        cut_vae,
        Why.DAMAGED,
        "half of a VAE",
    ),
)
