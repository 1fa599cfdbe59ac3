"""Builds ML Programs from config and tensors, with one module per component.

To draw a component means to build its graph from the config alone, without weights.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.ground.errors import UnsupportedError

if TYPE_CHECKING:
    from sdcoreml.convert.programs.assemble import Draft
    from sdcoreml.convert.programs.config import Config
    from sdcoreml.convert.programs.payload import DescribedTensors, DrawnProgram

DRAWERS: Mapping[str, tuple[str, str]] = {
    "controlled_unet": ("sdcoreml.convert.programs.unet", "draw_controlled_unet"),
    "controlnet": ("sdcoreml.convert.programs.controlnet", "draw_controlnet"),
    "safety_checker": ("sdcoreml.convert.programs.safety_checker", "draw_safety_checker"),
    "text_encoder": ("sdcoreml.convert.programs.text_encoder", "draw_text_encoder"),
    "text_encoder_2": ("sdcoreml.convert.programs.text_encoder", "draw_text_encoder_2"),
    "unet": ("sdcoreml.convert.programs.unet", "draw_unet"),
    "unet_refiner": ("sdcoreml.convert.programs.unet", "draw_refiner"),
    "vae_decoder": ("sdcoreml.convert.programs.vae", "draw_vae_decoder"),
    "vae_encoder": ("sdcoreml.convert.programs.vae", "draw_vae_encoder"),
}
"""Maps each component to the module and function that draw its graph, imported when needed."""


def draw(component: str, config: Config, options: ProgramOptions | None = None) -> Draft:
    """Draw the graph of a component from its config alone; neither torch nor coremltools is needed.

    Args:
        component: a key of `DRAWERS`.
        config: the component's parsed config.json.
        options: size, attention and the like.

    Raises:
        UnsupportedError: the component, its config or an option is not supported.
        BadInputError: the config lacks a required option.
    """
    if component not in DRAWERS:
        raise UnsupportedError(
            "there is no program for this component",
            where=component,
            remedy=f"there are {', '.join(DRAWERS)}",
        )
    module, name = DRAWERS[component]
    function: Callable[[Config, ProgramOptions], Draft]
    function = getattr(importlib.import_module(module), name)
    return function(config, options or ProgramOptions())


def build_program(
    component: str, config: Config, tensors: DescribedTensors, options: ProgramOptions | None = None
) -> DrawnProgram:
    """Draw a component and find its weights in `tensors`; the result is ready to be written.

    Raises:
        UnsupportedError: see `draw`.
        BadInputError: config and tensors do not match; all faults are listed.
    """
    from sdcoreml.convert.programs.assemble import assemble

    return assemble(draw(component, config, options), tensors)
