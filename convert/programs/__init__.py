"""One module a component: ML Programs written from config and tensors."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from convert.errors import UnsupportedError
from convert.programs.options import ProgramOptions

if TYPE_CHECKING:
    from convert.programs.config import Config
    from convert.programs.payload import Built, Tensors

BUILDERS: Mapping[str, tuple[str, str]] = {
    "text_encoder": ("convert.programs.text_encoder", "build_text_encoder"),
    "unet": ("convert.programs.unet", "build_unet"),
    "vae_decoder": ("convert.programs.vae", "build_vae_decoder"),
    "vae_encoder": ("convert.programs.vae", "build_vae_encoder"),
}
"""Component to the module and the function that build it; imported when asked for."""


def build_program(
    component: str, config: Config, tensors: Tensors, options: ProgramOptions | None = None
) -> Built:
    """Build one component. Needs coremltools; imports neither torch nor diffusers.

    Args:
        component: a key of `BUILDERS`.
        config: the component's parsed config.json.
        tensors: its checkpoint, such as a `TensorFile`.
        options: size, attention and the like.

    Raises:
        UnsupportedError: the component, or what its config or the options ask for, is unknown here.
        BadInputError: config and tensors do not belong together.
    """
    if component not in BUILDERS:
        raise UnsupportedError(f"{component}: no builder; there are {', '.join(BUILDERS)}")
    module, name = BUILDERS[component]
    build: Callable[[Config, Tensors, ProgramOptions], Built]
    build = getattr(importlib.import_module(module), name)
    return build(config, tensors, options or ProgramOptions())
