"""Says which parts a pipeline takes, and which it was given or registers."""

from __future__ import annotations

import re
from collections.abc import Mapping

_OF_PRIOR = (
    *("prior", "text_encoder", "tokenizer", "scheduler", "image_encoder", "image_processor"),
    *("feature_extractor", "text_model"),
)

_LACKING = (
    (
        frozenset({"tokenizer", "text_encoder"}),
        (
            "the pipeline wants two text encoders, and the model has the second alone, as Stable"
            " Diffusion XL's refiner, which another class loads (StableDiffusionXLImg2ImgPipeline)"
        ),
    ),
    (
        frozenset({"safety_checker", "feature_extractor", "image_encoder"}),
        (
            "the model was saved without its safety checker, which it can do without, and this"
            " diffusers demands one"
        ),
    ),
    (
        frozenset({"text_encoder_2", "tokenizer_2", "feature_extractor", "image_encoder"}),
        (
            "the pipeline is Stable Diffusion XL's, and the model has one text encoder as Stable"
            " Diffusion 1 and 2 have"
        ),
    ),
    (
        frozenset({"text_encoder_3", "tokenizer_3", "transformer", "image_encoder"}),
        "the pipeline is Stable Diffusion 3's or Flux's, and the model is of another family",
    ),
    (
        frozenset(f"prior_{part}" for part in _OF_PRIOR),
        (
            "the pipeline is a combined one, whose first half (the prior) is a repository of its"
            " own, which is fetched where the model is named as on the hub, and not where it is a"
            " folder"
        ),
    ),
    (
        frozenset({"controlnet", "adapter", "motion_adapter"}),
        "it takes a ControlNet or adapter beside the model, which was not handed over",
    ),
)
"""Why a pipeline lacks these parts and no others."""


def find_lacking(captured: Mapping[str, str]) -> Mapping[str, str]:
    """Say which parts a pipeline was not given."""
    lacking = _subtract(captured, "wanted_parts", "given_parts")
    why = next((why for parts, why in _LACKING if lacking and {*lacking} <= parts), "")
    told = {"lacking": f" ({', '.join(lacking)})"} if lacking else {}
    return {**told, "why": why} if why else told


def compare_parts(captured: Mapping[str, str]) -> Mapping[str, str]:
    """Say which parts a pipeline's class takes and does not register, or the other way round."""
    lacking = _subtract(captured, "wanted_parts", "given_parts")
    more = _subtract(captured, "given_parts", "wanted_parts")
    if more and not lacking:
        return {
            "parts": f"does not take {', '.join(more)}, which the class that it is derived from"
            " registers: diffusers is newer than this class was written for"
        }
    if lacking and not more:
        return {
            "parts": f"takes {', '.join(lacking)} and does not register these"
            " (register_modules in its __init__): the code of this class has a fault, which no"
            " other version of a package mends"
        }
    return {}


def _subtract(captured: Mapping[str, str], some: str, others: str) -> list[str]:
    """Return the parts that one list of a line has, and another has not."""
    named = re.findall(r"'(\w+)'", captured.get(others, ""))
    return [one for one in re.findall(r"'(\w+)'", captured.get(some, "")) if one not in named]
