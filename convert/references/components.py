"""Each component's judge: the pinned module, wrapped to the inputs and outputs of its program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from convert.errors import UnsupportedError
from convert.references import inputs
from convert.references.inputs import Feeds, Shapes

Config: TypeAlias = "Mapping[str, Any]"
Outputs: TypeAlias = "dict[str, torch.Tensor]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """How a component is judged.

    `build` makes the module from its config; `feeds` makes the inputs from the config and the
    shapes that the program declares; `call` turns a program's inputs into its outputs by way of
    the module.
    """

    build: Callable[[Config], torch.nn.Module]
    feeds: Callable[[Config, Shapes], tuple[Feeds, ...]]
    call: Callable[[torch.nn.Module, Feeds], Outputs]


def reference(component: str) -> Reference:
    """The judge of a component.

    Raises:
        UnsupportedError: there is none.
    """
    if component not in REFERENCES:
        known = ", ".join(REFERENCES)
        raise UnsupportedError(f"{component}: no reference module is known; known are {known}")
    return REFERENCES[component]


def text_model(config: Config) -> torch.nn.Module:
    """CLIP's text transformer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig.from_dict(dict(config)))


def unet_model(config: Config) -> torch.nn.Module:
    """The conditional UNet."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_config(dict(config))


def vae_model(config: Config) -> torch.nn.Module:
    """Both halves of the autoencoder."""
    from diffusers import AutoencoderKL

    return AutoencoderKL.from_config(dict(config))


def encode_text(module: torch.nn.Module, feeds: Feeds) -> Outputs:
    """Last hidden state after the final norm, and the pooled state."""
    (ids,) = feeds.values()
    result = module(ids.long())
    return {"last_hidden_state": result.last_hidden_state, "pooled_outputs": result.pooler_output}


def predict_noise(module: torch.nn.Module, feeds: Feeds) -> Outputs:
    """Text states come as (B, D, 1, S), the layout that the runtimes send."""
    states = feeds["encoder_hidden_states"].squeeze(2).transpose(1, 2)
    (noise,) = module(feeds["sample"], feeds["timestep"], states, return_dict=False)
    return {"noise_pred": noise}


def decode_latent(module: torch.nn.Module, feeds: Feeds) -> Outputs:
    """No scaling: the runtimes divide by the factor themselves."""
    (z,) = feeds.values()
    return {"image": module.decoder(module.post_quant_conv(z))}


def encode_image(module: torch.nn.Module, feeds: Feeds) -> Outputs:
    """Mean and log-variance, not sampled."""
    (x,) = feeds.values()
    return {"latent": module.quant_conv(module.encoder(x))}


REFERENCES: Mapping[str, Reference] = {
    "text_encoder": Reference(build=text_model, feeds=inputs.tokens, call=encode_text),
    "unet": Reference(build=unet_model, feeds=inputs.denoising, call=predict_noise),
    "vae_decoder": Reference(
        build=vae_model,
        feeds=inputs.latents,
        call=decode_latent,
    ),
    "vae_encoder": Reference(
        build=vae_model,
        feeds=inputs.images,
        call=encode_image,
    ),
}
