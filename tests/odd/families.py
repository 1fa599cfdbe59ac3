"""Model families and tasks: convertible ones, and those that no app or builder supports."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tests.odd import base
from tests.odd.case import Case, Why, no, yes


def folder(family: str, at: Path) -> Path:
    return base.write_folder(at / f"{family}-model", family)


def reshaped(family: str, at: Path, *, pipeline: str = "", **changes: Any) -> Path:
    """Write a model with other values in its UNet's config, and tensors that match them."""
    model = folder(family, at)
    config = dict(base.MODELS[family]["unet"]) | changes
    known = {name: value for name, value in config.items() if name in base.MODELS[family]["unet"]}
    tensors = base.tensors_of(known)
    base.write(model / "unet" / "config.json", config)
    base.write(base.weights(model, "unet"), base.safetensors(tensors))
    if pipeline:
        base.edit(model / "model_index.json", _class_name=pipeline)
    return model


def set_in_unet(at: Path, key: str, value: Any) -> Path:
    return reshaped("sd1", at, **{key: value})


def lcm(at: Path) -> Path:
    model = reshaped("sd1", at, pipeline="LatentConsistencyModelPipeline", time_cond_proj_dim=256)
    more = base.drawn({"time_embedding.cond_proj.weight": (32, 256)})
    tensors = base.tensors_of(base.SD1_UNET) | more
    base.write(base.weights(model, "unet"), base.safetensors(tensors))
    return model


def inpainting_file(family: str, channels: int, at: Path) -> Path:
    tensors = base.original(family)
    name = "model.diffusion_model.input_blocks.0.0.weight"
    tensors |= base.drawn({name: (32, channels, 3, 3)})
    return base.write_file(at, name="inpaint.safetensors", content=base.safetensors(tensors))


def other_part(at: Path, name: str, kind: str, **config: Any) -> Path:
    """Write an SD 1.x folder in which the component `name` is of the class `kind`."""
    model = folder("sd1", at)
    library = "diffusers" if name in ("unet", "vae") else "transformers"
    base.edit(model / "model_index.json", **{name: [library, kind]})
    noun = {"_class_name": kind} if library == "diffusers" else {"architectures": [kind]}
    base.write(model / name / "config.json", noun | config)
    tensors = base.drawn({"encoder.layers.0.weight": (32, 32), "decoder.layers.0.weight": (32, 32)})
    base.write(base.weights(model, name), base.safetensors(tensors))
    return model


CONVERTIBLE = {"sd1": "sd1", "sd2": "sd2_base", "sdxl": "sdxl", "refiner": "sdxl_refiner"}

CASES: tuple[Case, ...] = (
    *(
        yes(f"{name}-folder", partial(folder, name), f"a well-formed {name} model", family=family)
        for name, family in CONVERTIBLE.items()
    ),
    *(
        no(
            f"{family}-{task}-{channels}ch-folder",
            partial(reshaped, family, pipeline=pipeline, in_channels=channels),
            Why.TASK,
            f"a UNet of {channels} input channels, of which apps feed four",
        )
        for family, task, channels, pipeline in (
            ("sd1", "inpainting", 9, "StableDiffusionInpaintPipeline"),
            ("sd2", "inpainting", 9, "StableDiffusionInpaintPipeline"),
            ("sdxl", "inpainting", 9, "StableDiffusionXLInpaintPipeline"),
            ("sd1", "pix2pix", 8, "StableDiffusionInstructPix2PixPipeline"),
            ("sdxl", "pix2pix", 8, "StableDiffusionXLInstructPix2PixPipeline"),
            ("sd2", "depth", 5, "StableDiffusionDepth2ImgPipeline"),
            ("sd2", "upscaler", 7, "StableDiffusionUpscalePipeline"),
            ("sd1", "unheard-of", 13, "StableDiffusionPipeline"),
        )
    ),
    *(
        no(
            f"{family}-{channels}ch-file",
            partial(inpainting_file, family, channels),
            Why.TASK,
            f"a single file whose UNet takes {channels} channels",
        )
        for family, channels in (("sd1", 9), ("sdxl", 9), ("sd1", 8))
    ),
    no("lcm-unet-folder", lcm, Why.TASK, "a UNet that wants a guidance embedding (LCM)"),
    *(
        no(
            f"config-{key.replace('_', '-')}",
            partial(set_in_unet, key=key, value=value),
            Why.CONFIG,
            f"a UNet with {key}={value!r}, which changes what it computes",
        )
        for key, value in (
            ("mid_block_type", None),
            ("class_embed_type", "projection"),
            ("num_class_embeds", 1000),
            ("attention_type", "gated"),
            ("resnet_time_scale_shift", "scale_shift"),
            ("encoder_hid_dim_type", "ip_image_proj"),
            ("dual_cross_attention", True),
            ("reverse_transformer_layers_per_block", [[1, 2], 1]),
            ("act_fn", "mish"),
            ("in_channels", "4"),
            ("center_input_sample", True),
        )
    ),
    yes(
        "small-unet",
        partial(reshaped, "sd1", layers_per_block=1),
        "BK-SDM's kind: one layer a block, everything else as in SD 1.x",
    ),
    no(
        "tiny-vae",
        partial(other_part, name="vae", kind="AutoencoderTiny", latent_channels=4),
        Why.CONFIG,
        "TAESD in place of the VAE",
    ),
    no(
        "asymmetric-vae",
        partial(other_part, name="vae", kind="AsymmetricAutoencoderKL", latent_channels=4),
        Why.CONFIG,
        "an asymmetric VAE, with other blocks",
    ),
    no(
        "t5-text-encoder",
        partial(other_part, name="text_encoder", kind="T5EncoderModel", d_model=64, num_layers=2),
        Why.CONFIG,
        "T5 in place of CLIP",
    ),
    no(
        "alt-diffusion",
        partial(
            other_part,
            name="text_encoder",
            kind="RobertaSeriesModelWithTransformation",
            hidden_size=64,
            num_hidden_layers=2,
        ),
        Why.CONFIG,
        "AltDiffusion: XLM-R in place of CLIP",
    ),
)
