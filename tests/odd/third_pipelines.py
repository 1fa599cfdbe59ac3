"""Odd inputs, third part: folders of other pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.families import reshaped
from tests.odd.later_folders import INDEX


def listed(at: Path, pipeline: str, family: str = "sd1", **parts: list[str]) -> Path:
    """Write a model with another class of pipeline, and more components."""
    model = base.write_folder(at / "model", family)
    base.edit(model / INDEX, _class_name=pipeline, **parts)
    for name, (_, kind) in parts.items():
        base.write(model / name / "config.json", {"_class_name": kind})
        tensors = base.drawn({"conv_in.weight": (32, 4, 3, 3)})
        base.write(base.weights(model, name), base.safetensors(tensors))
    return model


def with_net(at: Path, family: str, pipeline: str) -> Path:
    model = base.write_folder(at / "model", family)
    config, tensors = base.controlnet(base.MODELS[family]["unet"])
    base.edit(model / INDEX, _class_name=pipeline, controlnet=["diffusers", "ControlNetModel"])
    base.write(model / "controlnet" / "config.json", config)
    base.write(base.weights(model, "controlnet"), base.safetensors(tensors))
    return model


def by_picture(at: Path, pipeline: str, in_channels: int) -> Path:
    """Write a model whose pipeline takes an image as its prompt instead of a text."""
    model = reshaped("sd1", at, pipeline=pipeline, in_channels=in_channels)
    for name in ("text_encoder", "tokenizer"):
        for file in (model / name).iterdir():
            file.unlink()
        (model / name).rmdir()
    kind = ["transformers", "CLIPVisionModelWithProjection"]
    base.edit(model / INDEX, text_encoder=..., tokenizer=..., image_encoder=kind)
    return model


def of_parts(at: Path, pipeline: str, parts: Mapping[str, str]) -> Path:
    """Write a pipeline that consists of other components, given by name and class."""
    model = at / "model"
    index: dict[str, Any] = {"_class_name": pipeline, "_diffusers_version": "0.23.1"}
    for name, kind in parts.items():
        index[name] = ["diffusers", kind]
        base.write(model / name / "config.json", {"_class_name": kind})
        tensors = base.drawn({"layers.0.weight": (32, 32)})
        base.write(base.weights(model, name), base.safetensors(tensors))
    base.write(model / INDEX, index)
    return model


def one_encoder(at: Path, *gone: str) -> Path:
    model = base.write_folder(at / "model", "sdxl")
    for name in gone:
        for file in (model / name).iterdir():
            file.unlink()
        (model / name).rmdir()
    return model


OTHERS: tuple[tuple[str, str, Mapping[str, str], Why], ...] = (
    (
        "ldm",
        "LDMTextToImagePipeline",
        {"bert": "LDMBertModel", "unet": "UNet2DConditionModel", "vqvae": "VQModel"},
        Why.INCOMPLETE,
    ),
    (
        "versatile",
        "VersatileDiffusionPipeline",
        {"image_unet": "UNet2DConditionModel", "text_unet": "UNetFlatConditionModel"},
        Why.INCOMPLETE,
    ),
    (
        "karlo",
        "UnCLIPPipeline",
        {"decoder": "UNet2DConditionModel", "prior": "PriorTransformer"},
        Why.INCOMPLETE,
    ),
    ("consistency", "ConsistencyModelPipeline", {"unet": "UNet2DModel"}, Why.INCOMPLETE),
    ("zeroscope", "TextToVideoSDPipeline", {"unet": "UNet3DConditionModel"}, Why.INCOMPLETE),
)


CASES: tuple[Case, ...] = (
    yes(
        "pipeline-with-net",
        partial(with_net, family="sd1", pipeline="StableDiffusionControlNetPipeline"),
        "a model with its ControlNet",
        makes={"programs": ["TextEncoder", "Unet", "VAEDecoder", "VAEEncoder"]},
        says="controlnet/",
    ),
    yes(
        "pipeline-with-net-sdxl",
        partial(with_net, family="sdxl", pipeline="StableDiffusionXLControlNetPipeline"),
        "the same of SDXL, whose ControlNet no app runs",
    ),
    yes(
        "pipeline-with-motion-adapter",
        partial(
            listed,
            pipeline="AnimateDiffPipeline",
            motion_adapter=["diffusers", "MotionAdapter"],
        ),
        "a plain UNet beside a motion adapter",
        also=Can.NO,
        says="motion|AnimateDiff|video",
    ),
    *(
        no(
            f"pipeline-{word}",
            partial(by_picture, pipeline=pipeline, in_channels=channels),
            Why.INCOMPLETE,
            "a picture in place of a prompt",
        )
        for word, pipeline, channels in (
            ("variation", "StableDiffusionImageVariationPipeline", 4),
            ("paint-by-example", "PaintByExamplePipeline", 9),
            ("zero123", "Zero1to3StableDiffusionPipeline", 8),
        )
    ),
    *(
        no(f"pipeline-{word}", partial(of_parts, pipeline=pipeline, parts=parts), why, "another")
        for word, pipeline, parts, why in OTHERS
    ),
    no(
        "sdxl-without-second",
        lambda at: one_encoder(at, "text_encoder_2", "tokenizer_2"),
        Why.INCOMPLETE,
        "SDXL without its second text encoder",
    ),
    no(
        "sdxl-without-second-tokenizer",
        lambda at: one_encoder(at, "tokenizer_2"),
        Why.INCOMPLETE,
        "SDXL without its second tokenizer, whose files are the first's",
        also=Can.YES,
    ),
)
