"""Draws a picture with the programs of a folder, step by step as Apple's two pipelines do.

`golden/swift-runs/pipeline.json` holds whole runs of them with invented programs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from sdcoreml.convert.bundle.contract import CONTROL_INPUT, NAMES, RESIDUAL
from sdcoreml.convert.drawing.choices import Settings
from sdcoreml.convert.drawing.conditions import Condition, condition, time_ids
from sdcoreml.convert.drawing.pixels import sample_latent
from sdcoreml.convert.drawing.programs import Programs, run_checked, run_single
from sdcoreml.convert.drawing.randoms import RandomSource, open_source
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.drawing.solvers import add_noise, open_scheduler, remaining
from sdcoreml.convert.drawing.tokens import Prompt
from sdcoreml.ground.errors import UsageError

UNET, CONTROLLED = NAMES["unet"], NAMES["controlled_unet"]
REFINER = NAMES["unet_refiner"]
DECODER, ENCODER = NAMES["vae_decoder"], NAMES["vae_encoder"]

REFINER_START = 0.8
"""The share of the steps after which SDXL's refiner takes over, if a folder has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is drawn: prompts, and perhaps pictures as images of shape (1, 3, height, width).

    `start` is from -1 to 1; `guides` has an image from 0 to 1 for each ControlNet, by its name.
    """

    prompt: Prompt
    negative: Prompt
    start: Singles | None = None
    guides: Mapping[str, Singles] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A step that was made: its place of how many, its timestep, the latent and its clean form."""

    place: int
    count: int
    timestep: int
    latent: Singles
    clean: Singles


Watch: TypeAlias = Callable[[Moment], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Where the steps begin: their timesteps and the first latent."""

    timesteps: tuple[int, ...]
    latent: Singles


def draw(programs: Programs, subject: Subject, settings: Settings, watch: Watch) -> Singles:
    """Draw an image of shape (1, 3, height, width), from about -1 to 1.

    Raises:
        UsageError: the app could not run the folder with these settings.
        BadInputError: a program is not as the app needs it.
    """
    unet = CONTROLLED if subject.guides else UNET
    rows = _rows(programs, unet, settings)
    prompts = [subject.negative, subject.prompt][-rows:]
    told = condition(programs, prompts, unet)
    opening = begin(programs, subject, settings)
    switch = _switch(programs, unet, len(opening.timesteps))
    scheduler = open_scheduler(settings.method, settings.spacing, settings.steps)
    latent, count = opening.latent, len(opening.timesteps)
    for place, timestep in enumerate(opening.timesteps):
        if place == switch:
            unet, told = REFINER, condition(programs, prompts, REFINER)
        noise = _predict(programs, unet, (latent, timestep), told, subject.guides)
        latent = scheduler.step(guide(noise, settings.guidance), timestep, latent)
        watch(
            Moment(
                place=place + 1,
                count=count,
                timestep=timestep,
                latent=latent,
                clean=scheduler.clean,
            )
        )
    return decode(programs, scheduler.clean, settings.latent_scale)


def begin(programs: Programs, subject: Subject, settings: Settings) -> Opening:
    """Draw the first latent; with a picture to start from, it is that picture with noise."""
    source = open_source(settings.rng, settings.seed)
    shape = (1, *programs.inputs(CONTROLLED if subject.guides else UNET)["sample"][1:])
    noise = source.draw_array(int(np.prod(shape))).astype(np.float32).reshape(shape)
    levels = open_scheduler(settings.method, settings.spacing, settings.steps).levels
    if subject.start is None or settings.strength >= 1:
        return Opening(timesteps=levels.timesteps, latent=noise)
    timesteps = remaining(levels, settings.steps, settings.strength)
    if not timesteps:
        raise UsageError(
            f"of {settings.steps} steps, strength {settings.strength:g} leaves none",
            remedy="raise --steps or --strength until their product is 1 or more",
        )
    latent = encode(programs, subject.start, source, settings.latent_scale)
    return Opening(timesteps=timesteps, latent=add_noise(timesteps[0], latent, noise))


def encode(programs: Programs, image: Singles, source: RandomSource, scale: float) -> Singles:
    """Encode an image of shape (1, 3, height, width) as a latent of the UNet."""
    return sample_latent(run_single(programs, ENCODER, image), source, scale)


def decode(programs: Programs, clean: Singles, scale: float) -> Singles:
    """Decode a latent of the UNet."""
    return run_single(programs, DECODER, clean / np.float32(scale))


def guide(noise: Singles, guidance: float) -> Singles:
    """Combine what was predicted for the negative prompt, in row 0, and for the prompt."""
    if len(noise) == 1:
        return noise
    guided: Singles = noise[:1] + np.float32(guidance) * (noise[1:] - noise[:1])
    return guided


def _rows(programs: Programs, unet: str, settings: Settings) -> int:
    """Return how many prompts count: the app leaves the negative one out below a guidance of 1."""
    if settings.guidance >= 1 or "time_ids" in programs.inputs(unet):
        return 2
    if programs.inputs(unet)["sample"][0] != 1:
        raise UsageError(
            f"apps cannot use a guidance of {settings.guidance:g} with this folder, whose UNet"
            " always takes two prompts",
            remedy="give a --guidance of 1 or more, or convert the model with --batch 1",
        )
    return 1


def _switch(programs: Programs, unet: str, count: int) -> int:
    """Return the place of the first step that is the refiner's; past the end if there is none."""
    if "time_ids" not in programs.inputs(unet) or not programs.inputs(REFINER):
        return count
    return int(np.float32(count) * np.float32(REFINER_START))


def _predict(
    programs: Programs,
    unet: str,
    moment: tuple[Singles, int],
    told: Condition,
    guides: Mapping[str, Singles],
) -> Singles:
    """Return the noise that a UNet predicts in a latent at a timestep, a row for each prompt."""
    latent, timestep = moment
    rows = len(told.states)
    batch = rows if guides or told.pooled is not None else programs.inputs(unet)["sample"][0]
    parts = [slice(None)] if batch == rows else [slice(row, row + 1) for row in range(rows)]
    found = []
    for part in parts:
        states = told.states[part]
        feeds = {
            "sample": np.repeat(latent, len(states), axis=0),
            "timestep": np.full(len(states), timestep, np.float32),
            "encoder_hidden_states": states,
        }
        if told.pooled is not None:
            feeds |= {"text_embeds": told.pooled[part], "time_ids": time_ids(programs, unet)}
        feeds |= _residuals(programs, feeds, guides)
        (noise,) = run_checked(programs, unet, feeds).values()
        found.append(noise)
    return np.concatenate(found)


def _residuals(
    programs: Programs, feeds: Mapping[str, Singles], guides: Mapping[str, Singles]
) -> dict[str, Singles]:
    """Run the ControlNets, and add up their residuals."""
    total: dict[str, Singles] = {}
    for name, image in guides.items():
        guided = {**feeds, CONTROL_INPUT: np.repeat(image, 2, axis=0)}
        for port, value in run_checked(programs, name, guided).items():
            total[port] = total[port] + value if port in total else value
    return {port: value for port, value in total.items() if port.startswith(RESIDUAL)}
