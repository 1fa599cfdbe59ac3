"""Runs the text encoders on a prompt, as Apple's two pipelines do, and makes SDXL's time ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdcoreml.convert.bundle.contract import (
    NAMES,
    REFINER_TIME_IDS,
    TEXT_STATES,
    TEXT_STATES_XL,
)
from sdcoreml.convert.drawing.programs import Programs, run_checked
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.drawing.tokens import SECOND_PAD, Prompt

FIRST, SECOND = NAMES["text_encoder"], NAMES["text_encoder_2"]

APP_SIZE = 1024.0
"""The size in pixels that apps tell SDXL every picture has, whatever its real size."""

POOR_SCORE, GOOD_SCORE = 2.5, 6.0
"""The aesthetic scores that SDXL's refiner is told of the negative prompt and of the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a UNet is told of the prompts, a row for each; the negative prompt comes first.

    `states` have the shape (rows, width, 1, tokens); SDXL also has `pooled`, (rows, width).
    """

    states: Singles
    pooled: Singles | None = None


def condition(programs: Programs, prompts: list[Prompt], unet: str) -> Condition:
    """Run the text encoders that a UNet needs, on the prompt first, like the app."""
    if "time_ids" not in programs.inputs(unet):
        states = [_states(programs, one) for one in reversed(prompts)]
        return Condition(states=_stack(states))
    found = [
        _states_xl(programs, one, both=not is_refiner(programs, unet)) for one in prompts[::-1]
    ]
    pooled = np.concatenate([pooled for _, pooled in reversed(found)])
    return Condition(states=_stack([states for states, _ in found]), pooled=pooled)


def is_refiner(programs: Programs, unet: str) -> bool:
    """Whether a UNet is SDXL's refiner, which Apple's package tells by its time ids."""
    return programs.inputs(unet).get("time_ids", (0,))[-1] == REFINER_TIME_IDS


def time_ids(programs: Programs, unet: str) -> Singles:
    """Return the time ids that the app sends to a UNet of SDXL, in the shape that it declares."""
    size = [APP_SIZE, APP_SIZE, 0, 0]
    rows = [[*size, APP_SIZE, APP_SIZE]] * 2
    if is_refiner(programs, unet):
        rows = [[*size, POOR_SCORE], [*size, GOOD_SCORE]]
    return np.array(rows, np.float32).reshape(programs.inputs(unet)["time_ids"])


def _states(programs: Programs, prompt: Prompt) -> Singles:
    return run_checked(programs, FIRST, _feeds(programs, FIRST, prompt.ids()))[TEXT_STATES]


def _states_xl(programs: Programs, prompt: Prompt, *, both: bool) -> tuple[Singles, Singles]:
    """Return the hidden states of both encoders, side by side, and the second's pooled state."""
    first = []
    if both:
        outputs = run_checked(programs, FIRST, _feeds(programs, FIRST, prompt.ids()))
        first.append(outputs[TEXT_STATES_XL])
    outputs = run_checked(programs, SECOND, _feeds(programs, SECOND, prompt.ids(SECOND_PAD)))
    states = np.concatenate([*first, outputs[TEXT_STATES_XL]], axis=2)
    return states, outputs["pooled_outputs"]


def _feeds(programs: Programs, encoder: str, ids: tuple[int, ...]) -> dict[str, Singles]:
    """Return the ids as the only input of an encoder, whatever its name."""
    return {next(iter(programs.inputs(encoder)), "input_ids"): np.array([ids], np.float32)}


def _stack(states: list[Singles]) -> Singles:
    """Stack states of shape (1, tokens, width), the prompt's first, as a UNet takes them."""
    rows = np.concatenate(states[::-1])
    return np.ascontiguousarray(rows.transpose(0, 2, 1)[:, :, None, :])
