"""Tells whose a function is by what the code above an exception's line calls it on, or makes."""

from __future__ import annotations

import re

from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.history import history


def find_receiver(raised: Raised | None, text: str) -> str:
    """Return the project of the object that the code above an exception's line calls."""
    called = re.findall(r"(\w+)(?:\.\w+)?\(", find_code(raised, text))
    known = {**history().others, **_RECEIVERS}
    return next((known[one] for one in reversed(called) if one in known), "")


_RECEIVERS = {
    **dict.fromkeys(("scheduler", "noise_scheduler", "unet", "vae", "controlnet"), "diffusers"),
    **dict.fromkeys(("pipe", "pipeline", "StableDiffusionPipeline"), "diffusers"),
    **dict.fromkeys(("text_encoder", "tokenizer", "text_encoder_2"), "transformers"),
    "accelerator": "accelerate",
    "df": "pandas",
    "nx": "networkx",
    "pd": "pandas",
    "plt": "matplotlib",
    "st": "streamlit",
}
"""What objects of other projects are called in any script, in the sense of diffusers' examples."""


def find_called(raised: Raised | None, text: str) -> str:
    """Return the class that the code above an exception's line makes an object of; "" if none."""
    called = re.findall(r"\b([A-Z]\w+)\(", find_code(raised, text))
    return called[-1] if called else ""


def find_code(raised: Raised | None, text: str) -> str:
    """Return the code above an exception's line: one of five lines has the call."""
    return "\n".join(text.partition(raised.line.text)[0].splitlines()[-5:]) if raised else ""
