"""The folder of a ControlNet: one component, and no pipeline around it."""

from __future__ import annotations

import json
from pathlib import Path

from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.layout import CONFIG_NAME, Component, Model, read_component

KIND = "ControlNetModel"
CONTROLNET = "controlnet"


def is_controlnet(path: Path) -> bool:
    """Whether the folder holds a ControlNet: its config.json says so."""
    try:
        config = json.loads((path / CONFIG_NAME).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("_class_name") == KIND


def read_controlnet(path: Path) -> Model:
    """The ControlNet in the folder `path`. Faults are collected, never raised."""
    return as_model(read_component(CONTROLNET, path, kind=KIND))


def as_model(net: Component) -> Model:
    """A model of a ControlNet alone.

    Its family is that of the UNets it steers. Its picture is not an input beside the latents, so
    its task is always text to image.
    """
    config = net.config
    linear = config.get("use_linear_projection", False)
    family = Family.SD2_BASE if linear else Family.SD1
    if config.get("addition_embed_type") is not None:
        family = Family.SDXL
    return Model(
        path=net.folder,
        pipeline=KIND,
        family=family,
        task=Task.TEXT_TO_IMAGE,
        components={CONTROLNET: net},
        tokenizers={},
        scheduler={},
        faults=net.all_faults,
    )
