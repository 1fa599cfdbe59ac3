"""Reads the folder of a ControlNet: a single component without a pipeline."""

from __future__ import annotations

from pathlib import Path

from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.files import CONFIG_NAME
from sdcoreml.convert.models.layout import Component, Model, read_component
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document

KIND = "ControlNetModel"
CONTROLNET = "controlnet"


def is_controlnet(path: Path) -> bool:
    """Whether the folder holds a ControlNet, according to its config.json."""
    try:
        config = read_object(path / CONFIG_NAME, Document.CONFIG)
    except BadInputError:
        return False
    return config.get("_class_name") == KIND


def read_controlnet(path: Path) -> Model:
    """Read the ControlNet in the folder `path`. Faults are collected, never raised."""
    return as_model(read_component(CONTROLNET, path, kind=KIND))


def as_model(net: Component) -> Model:
    """Wrap a ControlNet in a `Model` that has only this component.

    Its family is that of the UNets that it steers. Its picture is a separate input, not an addition
    to the latents, so its task is always text to image.
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
