"""Checks whether a builder supports a component's config and options, without drawing it.

The check is instant and needs no coremltools, so it can run before anything is downloaded or built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sdcoreml.convert.programs.callers import CALLERS
from sdcoreml.convert.programs.config import Config
from sdcoreml.convert.programs.controlnet import parse_controlnet
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.text_encoder import for_second, parse_text, read_extent
from sdcoreml.convert.programs.unet import latent_size
from sdcoreml.convert.programs.unet_config import parse_unet
from sdcoreml.convert.programs.vae import parse_vae


def require_drawable(component: str, config: Config, options: ProgramOptions) -> None:
    """Raise an error if a component's builder does not support this config and these options.

    Raises:
        UnsupportedError: the config or an option is not supported.
        BadInputError: the config lacks a required option.
    """
    if component in CHECKS:
        CHECKS[component](component, config, options)


def _unet(component: str, config: Config, options: ProgramOptions) -> None:
    unet = parse_unet(component, config, accepted=CALLERS[options.runtime].accepted)
    latent_size(component, unet, options)


def _controlnet(component: str, config: Config, options: ProgramOptions) -> None:
    latent_size(component, parse_controlnet(component, config), options)


def _text(component: str, config: Config, options: ProgramOptions) -> None:
    read_extent(component, parse_text(component, config), options)


def _second(component: str, config: Config, options: ProgramOptions) -> None:
    _text(component, config, for_second(options))


CHECKS: Mapping[str, Callable[[str, Config, ProgramOptions], object]] = {
    "controlled_unet": _unet,
    "controlnet": _controlnet,
    "text_encoder": _text,
    "text_encoder_2": _second,
    "unet": _unet,
    "unet_refiner": _unet,
    "vae_decoder": parse_vae,
    "vae_encoder": parse_vae,
}
"""The check for each component. A safety checker is only checked against its tensors."""
