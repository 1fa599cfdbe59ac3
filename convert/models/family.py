"""Identifies a model's family and task by the structure of its configs.

Names can be wrong, and widths differ in reduced models, so the rules look at what makes each
family's UNet different: the linear projections of SD 2, the added time embedding of SDXL, the input
channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

PIXELS_PER_LATENT = 8
"""Image pixels per latent pixel, in each direction: true of every family's VAE, and of the apps."""


class Family(Enum):
    """The architecture of a pipeline."""

    SD1 = "Stable Diffusion 1.x"
    SD2_BASE = "Stable Diffusion 2.x base"
    SD2_V = "Stable Diffusion 2.x v-prediction"
    SDXL = "Stable Diffusion XL base"
    SDXL_REFINER = "Stable Diffusion XL refiner"
    SD3 = "Stable Diffusion 3"
    FLUX = "FLUX"
    UNKNOWN = "unknown"


class Task(Enum):
    """The task of a UNet, which decides what it receives in addition to the latents."""

    TEXT_TO_IMAGE = "text to image"
    INPAINTING = "inpainting"
    INSTRUCT = "instruct-pix2pix"
    UPSCALING = "upscaling"
    DEPTH = "depth to image"
    OTHER = "other"


TASKS: Mapping[int, Task] = {
    4: Task.TEXT_TO_IMAGE,
    9: Task.INPAINTING,
    8: Task.INSTRUCT,
    7: Task.UPSCALING,
    5: Task.DEPTH,
}
"""Maps the input channels of an SD UNet to the task; four of them are latent channels."""

REFINER_CONTEXT = 1280
"""The width of the text states of SDXL's refiner, which reads one text encoder only."""
REFINER_LEVELS = 4
"""The levels of the refiner's UNet; SDXL's base has three, however narrow it was made."""

PIPELINES: Mapping[str, Family] = {
    "StableDiffusion3Pipeline": Family.SD3,
    "FluxPipeline": Family.FLUX,
}
"""Maps pipelines without a UNet to their families."""

STRANGERS = (
    "AltDiffusion",
    "AnimateDiff",
    "AudioLDM",
    "I2VGen",
    "IF",
    "Kandinsky",
    "Kolors",
    "LDM",
    "LatentDiffusion",
    "MusicLDM",
    "StableCascade",
    "StableDiffusionLatentUpscale",
    "StableVideo",
    "TextToVideo",
    "UnCLIP",
    "UniDiffuser",
    "VersatileDiffusion",
    "VideoToVideo",
    "Wuerstchen",
)
"""Prefixes of other families' pipeline names; some of them use the same UNet class as SD."""


def identify(
    pipeline: str, configs: Mapping[str, Mapping[str, object]], scheduler: Mapping[str, object]
) -> tuple[Family, Task]:
    """Identify the family and task of a diffusers pipeline.

    Args:
        pipeline: `_class_name` of `model_index.json`.
        configs: component name → its `config.json`.
        scheduler: `scheduler_config.json`, or nothing.
    """
    unet = None if pipeline.startswith(STRANGERS) else configs.get("unet")
    if unet is None or unet.get("_class_name", "UNet2DConditionModel") != "UNet2DConditionModel":
        return PIPELINES.get(pipeline, Family.UNKNOWN), Task.OTHER
    channels = unet.get("in_channels", 4)
    task = TASKS.get(channels, Task.OTHER) if type(channels) is int else Task.OTHER
    match unet.get("addition_embed_type"):
        case "text_time":
            texts = configs.keys() & {"text_encoder", "text_encoder_2"}
            refiner = texts == {"text_encoder_2"} or (not texts and _is_refiner(unet))
            return (Family.SDXL_REFINER if refiner else Family.SDXL), task
        case None:
            pass
        case _:
            return Family.UNKNOWN, task
    if not unet.get("use_linear_projection", False):
        return Family.SD1, task
    if scheduler.get("prediction_type") == "v_prediction":
        return Family.SD2_V, task
    return Family.SD2_BASE, task


def _is_refiner(unet: Mapping[str, object]) -> bool:
    """Whether the config of a UNet of SDXL's kind, without its text encoders, is a refiner's."""
    widths = unet.get("block_out_channels")
    has_levels = isinstance(widths, list) and len(widths) == REFINER_LEVELS
    return has_levels or unet.get("cross_attention_dim") == REFINER_CONTEXT
