"""The invented programs of `golden/swift-runs`, whose README has their formulas.

They stand for the programs of a folder in the recorded runs of Apple's pipelines. They compute in
float64 and round at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sdcoreml.convert.drawing.pixels import Picture
from sdcoreml.convert.drawing.schedules import Singles

Inputs: TypeAlias = "Mapping[str, tuple[int, ...]]"

HEIGHT, WIDTH = 4, 6
_LATENT: Inputs = {"sample": (2, 4, HEIGHT, WIDTH), "timestep": (2,)}
_STATES, _STATES_XL, _STATES_REFINER = (
    {"encoder_hidden_states": (2, width, 1, 77)} for width in (6, 16, 10)
)
_RESIDUALS: Inputs = {"additional_residual_0": (2, 3, 4, 6), "additional_residual_1": (2, 2, 2, 3)}
_IDS: Inputs = {"input_ids": (1, 77)}
_VAE: Mapping[str, Inputs] = {
    "VAEDecoder": {"z": (1, 4, HEIGHT, WIDTH)},
    "VAEEncoder": {"x": (1, 3, 32, 48)},
}
_NET: Inputs = {**_LATENT, **_STATES, "controlnet_cond": (2, 3, 32, 48)}

SD: Mapping[str, Inputs] = {
    **_VAE,
    "TextEncoder": _IDS,
    "Unet": {**_LATENT, **_STATES},
    "ControlledUnet": {**_LATENT, **_STATES, **_RESIDUALS},
    "netA": _NET,
    "netB": _NET,
}
ONE_ROW: Mapping[str, Inputs] = {
    **SD,
    "Unet": {name: (1, *shape[1:]) for name, shape in SD["Unet"].items()},
}
_POOLED: Inputs = {"text_embeds": (2, 10)}
_REFINER: Inputs = {**_LATENT, **_STATES_REFINER, **_POOLED, "time_ids": (2, 5)}
XL: Mapping[str, Inputs] = {
    **_VAE,
    "TextEncoder": _IDS,
    "TextEncoder2": _IDS,
    "Unet": {**_LATENT, **_STATES_XL, **_POOLED, "time_ids": (12,)},
}
XL_REFINED: Mapping[str, Inputs] = {**XL, "UnetRefiner": _REFINER}
REFINER_ALONE: Mapping[str, Inputs] = {**_VAE, "TextEncoder2": _IDS, "Unet": _REFINER}


@dataclass(frozen=True, slots=True, kw_only=True)
class InventedPrograms:
    """Programs with these inputs; `calls` are the names of those that were run."""

    ports: Mapping[str, Inputs]
    calls: list[str] = field(default_factory=list)

    def inputs(self, name: str) -> Inputs:
        """Return the inputs of a program."""
        return self.ports.get(name, {})

    def run(self, name: str, feeds: Mapping[str, Singles]) -> Mapping[str, Singles]:
        """Run a program."""
        self.calls.append(name)
        exact = {port: value.astype(np.float64) for port, value in feeds.items()}
        return {port: value.astype(np.float32) for port, value in self._run(name, exact).items()}

    def _run(self, name: str, feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        match name:
            case "TextEncoder" | "TextEncoder2":
                return self._encode_text(feeds["input_ids"][0], second=name[-1] == "2")
            case "VAEDecoder":
                return {"image": _decode(feeds["z"][0])}
            case "VAEEncoder":
                return {"latent_dist": _encode(feeds["x"][0])}
            case "netA" | "netB":
                return _residuals(feeds, 0.5 * (name == "netB"))
        is_refiner = self.ports[name].get("time_ids") == (2, 5)
        return {"noise_pred": _predict(feeds) * (0.9 if is_refiner else 1)}

    def _encode_text(self, ids: NDArray[Any], *, second: bool) -> dict[str, NDArray[Any]]:
        width, shift = (10, 0.25) if second else (6, 0)
        places, features = np.arange(len(ids))[:, None], np.arange(width)
        states = np.sin(0.001 * ids[:, None] * (features + 1) + 0.05 * places + shift)
        pooled = np.cos((ids[:, None] * (places + 1)).sum() / 77000 + 0.7 * features + shift)
        output = "hidden_embeds" if "TextEncoder2" in self.ports else "last_hidden_state"
        return {output: states[None], "pooled_outputs": pooled[None]}


def _context(feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    states = feeds["encoder_hidden_states"][:, :, 0]
    features, places = np.arange(states.shape[1])[:, None], np.arange(states.shape[2])
    total: NDArray[Any] = (states * np.cos(0.3 * features + 0.1 * places)).sum((1, 2)) / 77
    return total[:, None]


def _predict(feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    sample, times = feeds["sample"], feeds["timestep"][:, None]
    flat = sample.reshape(len(sample), -1)
    places = np.arange(flat.shape[1])
    noise = 0.6 * np.tanh(flat) + 0.3 * np.cos(0.01 * times + places)
    noise += 0.4 * np.sin(_context(feeds) + 0.1 * places)
    for number in (0, 1):
        if f"additional_residual_{number}" in feeds:
            extra = feeds[f"additional_residual_{number}"].reshape(len(sample), -1)
            weighed = (extra * np.cos(0.01 * np.arange(extra.shape[1]))).mean(1)
            noise += 0.5 * (number + 1) * weighed[:, None]
    if "time_ids" in feeds:
        pooled, ids = feeds["text_embeds"], feeds["time_ids"].reshape(2, -1)
        told = (pooled * np.cos(0.2 * np.arange(pooled.shape[1]))).sum(1)
        told += (ids * (np.arange(ids.shape[1]) + 1)).sum(1) / 5000
        noise += 0.2 * np.sin(told[:, None] + 0.05 * places)
    shaped: NDArray[Any] = noise.reshape(sample.shape)
    return shaped


def _residuals(feeds: Mapping[str, NDArray[Any]], shift: float) -> dict[str, NDArray[Any]]:
    rows = len(feeds["sample"])
    flat, times = feeds["sample"].reshape(rows, -1), feeds["timestep"][:, None]
    guide = feeds["controlnet_cond"].reshape(rows, -1)
    weighed = (guide * np.cos(0.002 * np.arange(guide.shape[1]))).mean(1)[:, None]
    found = {}
    for number, (port, shape) in enumerate(_RESIDUALS.items()):
        places = np.arange(int(np.prod(shape[1:])))
        value = 0.5 * (number + 1) * np.tanh(flat[:, places % flat.shape[1]]) + 5 * weighed
        value += 0.2 * np.sin(0.02 * times + 0.3 * places + number + shift)
        found[port] = (value + 0.1 * _context(feeds)).reshape(shape)
    return found


def _decode(latent: NDArray[Any]) -> NDArray[Any]:
    large = latent.repeat(8, 1).repeat(8, 2)
    down, right = np.arange(large.shape[1])[:, None], np.arange(large.shape[2])
    waves = (0.05 * np.sin(0.3 * down + 0.2 * right + channel) for channel in range(3))
    channels = [np.tanh(0.4 * large[c] + 0.2 * large[3] + wave) for c, wave in enumerate(waves)]
    return np.stack(channels)[None]


def _encode(image: NDArray[Any]) -> NDArray[Any]:
    mean = image.reshape(3, HEIGHT, 8, WIDTH, 8).mean((2, 4))
    means = [mean[c % 3] * (0.5 + 0.2 * c) * 8 for c in range(4)]
    variances = [-2 + mean[c % 3] + 0.3 * (c - 4) for c in range(4, 8)]
    return np.stack([*means, *variances])[None]


def picture(right: int, down: int, both: int) -> Picture:
    """Return one of the invented pictures, 48 wide and 32 high."""
    y, x, channel = np.arange(32)[:, None, None], np.arange(48)[None, :, None], np.arange(3)
    return ((right * x + down * y + 40 * channel + both * ((x * y) % 11)) % 256).astype(np.uint8)
