"""Draws with the modules that training made, through the pinned pipeline as everybody uses it."""

from __future__ import annotations

import copy
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, PNDMScheduler, StableDiffusionPipeline

from tools.sample.drawing import Picture
from tools.sample.judge import judge
from tools.sample.modules import make_text_encoder
from tools.sample.scenes import Look, held_back, plain_caption
from tools.sample.training import Trained

BATCH = 20
SHOWN = (
    "a red circle on a blue background",
    "two green squares",
    "a yellow star at the left, black background",
    "a purple heart",
    "an orange triangle on a green background",
    "a white star on black",
    "three blue circles on a yellow background",
    "a big red heart",
    "a small black square on an orange background",
    "a drawing of a green heart at the top",
    "a blue triangle at the right, white background",
    "a photo of an orange star on a purple ground",
)
"""What a sheet shows first; prompts that are held back follow."""
COLUMNS, ROWS, MARGIN, TEXT = 6, 4, 8, 44


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """How pictures are drawn: their size, the scheduler's steps, guidance."""

    size: int
    steps: int = 20
    guidance: float = 7.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many of some prompts were drawn right: each word of them, and all of them at once."""

    background: int
    colour: int
    shape: int
    all: int
    prompts: int

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"of {self.prompts} prompts never trained together, {self.all} are drawn right: "
            f"{self.background} backgrounds, {self.colour} colours, {self.shape} shapes"
        )


def pipeline(trained: Trained) -> StableDiffusionPipeline:
    """Return diffusers' StableDiffusionPipeline with the weights as they are stored: float16."""
    # What every published SD 1.x model has as its scheduler.
    usual = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        set_alpha_to_one=False,
        skip_prk_steps=True,
        steps_offset=1,
    )
    pipe = StableDiffusionPipeline(
        vae=_stored(trained.vae),
        text_encoder=_stored(full_encoder(trained)),
        tokenizer=trained.words.tokenizer,
        unet=_stored(trained.unet),
        scheduler=DPMSolverMultistepScheduler.from_config(usual.config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def full_encoder(trained: Trained) -> torch.nn.Module:
    """Return the text encoder with CLIP's whole vocabulary; untrained words are zeros."""
    whole = make_text_encoder(49408)
    state = trained.encoder.state_dict()
    name = next(key for key in state if key.endswith("token_embedding.weight"))
    rows = torch.zeros_like(whole.state_dict()[name])
    rows[trained.words.known] = state[name][1:]
    whole.load_state_dict({**state, name: rows})
    return whole.eval()


def draw_prompts(
    pipe: StableDiffusionPipeline, prompts: Sequence[str], how: Drawn
) -> list[Picture]:
    """Draw each prompt from the seed that is its number; returns RGB."""
    pictures: list[Picture] = []
    for start in range(0, len(prompts), BATCH):
        some = list(prompts[start : start + BATCH])
        seeds = [torch.Generator().manual_seed(start + k) for k in range(len(some))]
        drawn = pipe(
            some,
            height=how.size,
            width=how.size,
            guidance_scale=how.guidance,
            num_inference_steps=how.steps,
            generator=seeds,
        ).images
        pictures += [np.asarray(picture.convert("RGB")) for picture in drawn]
    return pictures


def score(looks: Sequence[Look], pictures: Sequence[Picture]) -> Score:
    """Judge pictures by the looks that were asked for: one thing, of this colour and shape."""
    rights = np.array(
        [_right(look, picture) for look, picture in zip(looks, pictures, strict=True)]
    )
    background, colour, shape = rights.sum(axis=0).tolist()
    return Score(
        background=background,
        colour=colour,
        shape=shape,
        all=int(rights.all(axis=1).sum()),
        prompts=len(looks),
    )


def measure(trained: Trained, how: Drawn) -> str:
    """Draw the looks that are held back, and say how many are right."""
    looks, start = held_back(), time.process_time()
    pictures = draw_prompts(pipeline(trained), [plain_caption(look) for look in looks], how)
    used = time.process_time() - start
    return f"{score(looks, pictures)} ({how.size} pixels, {used:.0f} CPU seconds)"


def grid(trained: Trained, how: Drawn, path: Path) -> None:
    """Write a sheet of pictures with their prompts, as PNG."""
    from PIL import Image, ImageDraw

    held = [plain_caption(look) for look in held_back()[: COLUMNS * ROWS - len(SHOWN)]]
    prompts = [*SHOWN, *held]
    side = 128
    wide, high = side + 2 * MARGIN, side + TEXT
    sheet = Image.new("RGB", (COLUMNS * wide, ROWS * high), "white")
    pen = ImageDraw.Draw(sheet)
    for number, picture in enumerate(draw_prompts(pipeline(trained), prompts, how)):
        x, y = number % COLUMNS * wide + MARGIN, number // COLUMNS * high + MARGIN
        sheet.paste(Image.fromarray(picture).resize((side, side)), (x, y))
        pen.multiline_text((x, y + side + 3), textwrap.fill(prompts[number], 23), fill="black")
    sheet.save(path, optimize=True)


def _right(look: Look, picture: Picture) -> tuple[bool, bool, bool]:
    seen = judge(picture)
    alone = seen.things[0] if len(seen.things) == 1 else None
    return (
        seen.background == look.background,
        alone is not None and alone.colour == look.colour,
        alone is not None and alone.shape == look.shape,
    )


def _stored(module: torch.nn.Module) -> torch.nn.Module:
    # `half` changes a module in place: what was trained must stay.
    return copy.deepcopy(module).half().float()
