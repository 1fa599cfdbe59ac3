"""The reference modules for UNets, ControlNets, and both halves of the autoencoder."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from sdcoreml.convert.programs.options import Prediction, ProgramOptions, Runtime
from sdcoreml.convert.references.inputs import Feeds

_RESIDUAL = "additional_residual_"
_BASE_IDS, _PIXELS = 6, 8
_STEPS, _FIRST_BETA, _LAST_BETA = 1000, 0.00085, 0.012


def unet(config: Mapping[str, object]) -> torch.nn.Module:
    """Make the conditional UNet."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_config(dict(config))


def controlnet(config: Mapping[str, object]) -> torch.nn.Module:
    """Make the ControlNet, which turns an image into residuals."""
    from diffusers import ControlNetModel

    return ControlNetModel.from_config(dict(config))


def vae(config: Mapping[str, object]) -> torch.nn.Module:
    """Make the autoencoder with both halves."""
    from diffusers import AutoencoderKL

    module = AutoencoderKL.from_config(dict(config))
    module.register_to_config(shift_factor=config.get("shift_factor"))  # not in the pinned version
    return module


def predict_noise(
    module: torch.nn.Module, feeds: Feeds, options: ProgramOptions
) -> dict[str, torch.Tensor]:
    """Compute the noise in `sample`, even if the module predicts velocity.

    Text states are (B, D, 1, S), as Swift apps send them, or (B, S, D), as ComfyUI's nodes do. SDXL
    also has `time_ids` and `text_embeds`, a consistency model its embedded guidance scale; a
    controlled UNet has a residual for each skip connection and one for the middle block.
    """
    residuals = [feeds[name] for name in sorted(feeds, key=_place) if name.startswith(_RESIDUAL)]
    added = {name: feeds[name] for name in ("time_ids", "text_embeds") if name in feeds}
    if options.states_own_size:
        added["time_ids"] = own_size(feeds["time_ids"], feeds["sample"])
    (result,) = module(
        feeds["sample"],
        feeds["timestep"],
        _states(feeds, options),
        timestep_cond=feeds.get("timestep_cond"),
        added_cond_kwargs=added,
        down_block_additional_residuals=tuple(residuals[:-1]) or None,
        mid_block_additional_residual=residuals[-1] if residuals else None,
        return_dict=False,
    )
    if options.prediction is Prediction.VELOCITY:
        result = noise_of_velocity(result, feeds["sample"], feeds["timestep"])
    return {"noise_pred": result}


def own_size(time_ids: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """Return `time_ids` with the size of the image for the latent `sample`.

    The base model takes original size, crop and target size; its refiner takes original size, crop
    and score. Sizes are height and width (diffusers' `_get_add_time_ids`).
    """
    size = torch.tensor([_PIXELS * extent for extent in sample.shape[2:]], dtype=time_ids.dtype)
    stated = time_ids.clone()
    stated[:, :2] = size
    if stated.shape[1] == _BASE_IDS:
        stated[:, 4:] = size
    return stated


def noise_of_velocity(
    velocity: torch.Tensor, sample: torch.Tensor, timestep: torch.Tensor
) -> torch.Tensor:
    """Compute `sqrt(a) v + sqrt(1 - a) x`, with the cumulative product `a` at the timestep.

    The schedule is the one built into apps: scaled-linear, with 1000 steps.
    """
    betas = torch.linspace(_FIRST_BETA**0.5, _LAST_BETA**0.5, _STEPS, dtype=torch.float64) ** 2
    product = torch.cumprod(1 - betas, 0)[timestep.long()].reshape(-1, 1, 1, 1)
    return (product.sqrt() * velocity + (1 - product).sqrt() * sample).float()


def control(
    module: torch.nn.Module, feeds: Feeds, options: ProgramOptions
) -> dict[str, torch.Tensor]:
    """Compute the residuals for the UNet's skip connections, and last the one for its middle."""
    down, middle = module(
        feeds["sample"],
        feeds["timestep"],
        _states(feeds, options),
        feeds["controlnet_cond"],
        return_dict=False,
    )
    return {f"{_RESIDUAL}{place}": tensor for place, tensor in enumerate((*down, middle))}


def decode(
    module: torch.nn.Module, feeds: Feeds, options: ProgramOptions
) -> dict[str, torch.Tensor]:
    """Decode a latent that an app divided by `runtime_scale`, by default the model's own scale."""
    (z,) = feeds.values()
    latent = z * _ratio(module, options) + _shift(module)
    return {"image": module.decoder(module.post_quant_conv(latent))}


def encode(
    module: torch.nn.Module, feeds: Feeds, options: ProgramOptions
) -> dict[str, torch.Tensor]:
    """Encode an image to means and log-variances, for apps that multiply by their own scale."""
    (x,) = feeds.values()
    mean, logarithm = module.quant_conv(module.encoder(x)).chunk(2, 1)
    ratio = _ratio(module, options)
    mean = (mean - _shift(module)) / ratio
    return {"latent": torch.cat([mean, logarithm - 2 * math.log(ratio)], 1)}


def _ratio(module: torch.nn.Module, options: ProgramOptions) -> float:
    """Return the app's latent scale divided by the model's; 1 if the app has no other scale."""
    own = float(module.config.scaling_factor)
    return float(options.runtime_scale or own) / own


def _shift(module: torch.nn.Module) -> float:
    """Return the model's latent shift, added before decoding; apps add nothing."""
    return float(module.config.shift_factor or 0)


def _states(feeds: Feeds, options: ProgramOptions) -> torch.Tensor:
    sent = feeds["encoder_hidden_states"]
    return sent if options.runtime is Runtime.COMFYUI else sent.squeeze(2).transpose(1, 2)


def _place(name: str) -> int:
    """Return the number at the end of a residual's name."""
    return int(name.removeprefix(_RESIDUAL)) if name.startswith(_RESIDUAL) else -1
