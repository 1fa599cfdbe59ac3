"""The folder of a ControlNet: one component, and no pipeline around it."""

from __future__ import annotations

import json
from pathlib import Path

from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.layout import CONFIG_NAME, Model, read_component
from sdcoreml.ground.errors import Fault

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
    """The ControlNet in the folder `path`. Faults are collected, never raised.

    Its family is that of the UNets it steers. What it steers with is no input of the latents, so
    its task is always text to image.
    """
    faults: list[Fault] = []
    component = read_component(CONTROLNET, path, faults, kind=KIND)
    config = component.config
    linear = config.get("use_linear_projection", False)
    family = Family.SD2_BASE if linear else Family.SD1
    if config.get("addition_embed_type") is not None:
        family = Family.SDXL
    return Model(
        path=path,
        pipeline=KIND,
        family=family,
        task=Task.TEXT_TO_IMAGE,
        components={CONTROLNET: component},
        tokenizers={},
        scheduler={},
        faults=tuple(faults),
    )
