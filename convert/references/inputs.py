"""Fixed inputs for each component: the same numbers on every machine and every run.

All values can be represented in half precision, so that rounded inputs do not add to the measured
error. Rows of a batch differ, so that a program that swaps them does not pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch

from sdcoreml.convert.programs.prompt import SECOND_PAD
from sdcoreml.ground.codec import read_field

VOCABULARY = 49408
"""The size of CLIP's vocabulary, which a config can omit."""

TIME_IDS: Mapping[int, tuple[tuple[float, ...], ...]] = {
    6: ((1024.0, 1024.0, 0.0, 0.0, 1024.0, 1024.0), (832.0, 1216.0, 0.0, 64.0, 768.0, 1344.0)),
    5: ((1024.0, 1024.0, 0.0, 0.0, 2.5), (1024.0, 1024.0, 0.0, 64.0, 6.0)),
}
"""SDXL's `time_ids` for each row: sizes and crops; the refiner has a score, not a target size."""

Feeds: TypeAlias = "Mapping[str, torch.Tensor]"
Shapes: TypeAlias = "Mapping[str, tuple[int, ...]]"

SEED = 20240722
TIMESTEPS = ((999.0, 1.0), (0.0, 441.0))
"""The timesteps of each run, for each row.

They are the first and last steps of the schedule, the last step that apps use, and one in between.
"""

OUTLIERS, ENLARGED = 61, 2
"""Every 61st number of latents and text states is doubled, which gives values up to 7 or 8.

Larger values would make attention sharper than real latents do.
"""


def tokens(config: Mapping[str, object], shapes: Shapes) -> tuple[Feeds, ...]:
    """Make token ids (1, S), float32, as apps send them to the first text encoder.

    The prompts are a short one, the longest one, one that was truncated, one with an unknown
    character (sent as the end token) in the middle, and an empty one. CLIP's last two ids are its
    begin and end tokens.
    """
    return _prompts(config, shapes, None)


def tokens_of_second(config: Mapping[str, object], shapes: Shapes) -> tuple[Feeds, ...]:
    """Make token ids for SDXL's second encoder, whose prompts apps pad with 0; see `tokens`."""
    return _prompts(config, shapes, SECOND_PAD)


def _prompts(config: Mapping[str, object], shapes: Shapes, pad: int | None) -> tuple[Feeds, ...]:
    ((name, (_, length)),) = shapes.items()
    end = min(read_field(config, "vocab_size", int, VOCABULARY), VOCABULARY) - 1
    generator = torch.Generator().manual_seed(SEED)
    words = torch.randint(1, end - 1, (length - 1,), generator=generator).tolist()
    prompts: tuple[list[int], ...] = (
        [*words[: length // 6], end],
        [*words[:-1], end],
        words,
        [*words[: length // 8], end, *words[length // 8 : length // 4], end],
        [end],
    )
    filler = end if pad is None else pad
    rows = ([end - 1, *prompt] for prompt in prompts)
    return tuple(
        {name: torch.tensor([row + [filler] * (length - len(row))], dtype=torch.float32)}
        for row in rows
    )


def denoising(_: Mapping[str, object], shapes: Shapes) -> tuple[Feeds, ...]:
    """Make noise, text states, a timestep for each row, and other inputs in their usual ranges."""
    return tuple(
        {
            name: _bound_input(name, value, steps)
            for name, value in _normal(shapes, SEED + run).items()
        }
        for run, steps in enumerate(TIMESTEPS)
    )


def _bound_input(name: str, noise: torch.Tensor, steps: tuple[float, ...]) -> torch.Tensor:
    """Return the input with this name: `noise`, or values in the input's usual range."""
    if name == "timestep":
        return _rows(steps, noise)
    if name == "time_ids":
        return _rows(TIME_IDS[noise.shape[-1]], noise)
    if name in {"sample", "encoder_hidden_states"}:
        return _with_outliers(noise)
    if name == "controlnet_cond":  # pixels in [0, 1]
        return _half(torch.sigmoid(noise))
    if name.startswith("additional_residual_"):
        return _half(noise * 0.3)
    return noise


def _with_outliers(noise: torch.Tensor) -> torch.Tensor:
    flat = noise.reshape(-1).clone()
    flat[::OUTLIERS] *= ENLARGED
    return flat.reshape(noise.shape)


def _rows(values: Sequence[object], like: torch.Tensor) -> torch.Tensor:
    """Assign the values in turn to the rows of the batch."""
    return torch.tensor([values[row % len(values)] for row in range(like.shape[0])])


def latents(_: Mapping[str, object], shapes: Shapes) -> tuple[Feeds, ...]:
    """Make latents like those that a sampler gives once unscaled: a few times larger than noise."""
    return ({name: value * 4 for name, value in _normal(shapes, SEED).items()},)


def images(_: Mapping[str, object], shapes: Shapes) -> tuple[Feeds, ...]:
    """Make pixels in [-1, 1]: waves of several lengths and noise, so that no region is flat."""
    ((name, shape),) = shapes.items()
    height, width = shape[-2:]
    down = torch.linspace(0, 1, height).reshape(-1, 1)
    across = torch.linspace(0, 1, width).reshape(1, -1)
    waves = [
        torch.sin(40 * (index + 1) * down * across + 9 * across - 5 * down)
        for index in range(shape[1])
    ]
    grain = _normal(shapes, SEED)[name] * 0.1
    pixels = (0.8 * torch.stack(waves) + grain).clamp(-1, 1)
    return ({name: _half(pixels)},)


def pictures(_: Mapping[str, object], shapes: Shapes) -> tuple[Feeds, ...]:
    """Make an image for the safety checker, with adjustment 0 and with one above any score.

    `clip_input` is normalised, `images` (1, H, W, 3) are in [0, 1].
    """
    noise = _normal(shapes, SEED)
    seen = {**noise, "images": _half(torch.sigmoid(noise["images"]))}
    adjustments = (0.0, 2.0)
    return tuple(
        {**seen, "adjustment": torch.full_like(noise["adjustment"], adjustment)}
        for adjustment in adjustments
    )


def _normal(shapes: Shapes, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: _half(torch.randn(shape, generator=generator))
        for name, shape in sorted(shapes.items())
    }


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half().float()
