"""Which text encoder is asked what, in which order, and what the UNet is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from sdcoreml.convert.drawing.conditions import condition, is_refiner, time_ids
from sdcoreml.convert.drawing.programs import Shapes
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.drawing.tokens import Prompt, Vocabulary, Word
from sdcoreml.ground.errors import BadInputError

WIDTHS = {"TextEncoder": 2, "TextEncoder2": 3}
LARGE: Mapping[str, Shapes] = {
    "TextEncoder": {"ids": (1, 4)},
    "TextEncoder2": {"input_ids": (1, 4)},
    "Unet": {"time_ids": (12,)},
    "UnetRefiner": {"time_ids": (2, 5)},
}
SMALL: Mapping[str, Shapes] = {"TextEncoder": {"ids": (1, 4)}, "Unet": {"sample": (2, 4, 8, 8)}}


@dataclass
class Encoders:
    """Programs whose states are the ids, a column for each feature; `asked` are names and ids."""

    ports: Mapping[str, Shapes]
    asked: list[tuple[str, str, list[int]]] = field(default_factory=list)

    def inputs(self, name: str) -> Shapes:
        return self.ports.get(name, {})

    def run(self, name: str, feeds: Mapping[str, Singles]) -> Mapping[str, Singles]:
        ((port, ids),) = feeds.items()
        self.asked.append((name, port, ids[0].astype(int).tolist()))
        states = np.stack([ids * (number + 1) for number in range(WIDTHS[name])], axis=2)
        pooled = np.full((1, 5), ids[0, 1], np.float32)
        return {"last_hidden_state": states, "hidden_embeds": states, "pooled_outputs": pooled}


def prompt(number: int) -> Prompt:
    """Return a prompt of one word, which has this id."""
    ids = {"<|startoftext|>": 8, "<|endoftext|>": 9, "!": 0}
    word = Word(text="w", tokens=("w</w>",), ids=(number,))
    return Prompt(words=(word,), vocabulary=Vocabulary(ids=ids, ranks={}), length=4)


def test_a_small_unet_is_told_what_one_encoder_says_the_prompt_first() -> None:
    programs = Encoders(SMALL)
    found = condition(programs, [prompt(3), prompt(5)], "Unet")
    assert programs.asked == [
        ("TextEncoder", "ids", [8, 5, 9, 9]),
        ("TextEncoder", "ids", [8, 3, 9, 9]),
    ]
    assert found.pooled is None
    assert found.states[:, :, 0].tolist() == [
        [[8, 3, 9, 9], [16, 6, 18, 18]],
        [[8, 5, 9, 9], [16, 10, 18, 18]],
    ]
    assert found.states.shape == (2, 2, 1, 4)
    assert found.states.flags.c_contiguous


def test_a_large_unet_is_told_what_both_encoders_say_side_by_side() -> None:
    programs = Encoders(LARGE)
    found = condition(programs, [prompt(3), prompt(5)], "Unet")
    assert programs.asked == [
        ("TextEncoder", "ids", [8, 5, 9, 9]),
        ("TextEncoder2", "input_ids", [8, 5, 9, 0]),
        ("TextEncoder", "ids", [8, 3, 9, 9]),
        ("TextEncoder2", "input_ids", [8, 3, 9, 0]),
    ]
    assert found.states.shape == (2, 5, 1, 4)
    assert found.states[:, :, 0, 1].tolist() == [[3, 6, 3, 6, 9], [5, 10, 5, 10, 15]]
    assert found.pooled is not None
    assert found.pooled.tolist() == [[3] * 5, [5] * 5]


def test_the_refiner_is_told_what_the_second_encoder_says() -> None:
    programs = Encoders(LARGE)
    found = condition(programs, [prompt(3)], "UnetRefiner")
    assert [name for name, *_ in programs.asked] == ["TextEncoder2"]
    assert found.states.shape == (1, 3, 1, 4)


def test_an_encoder_that_declares_no_input_is_asked_by_the_usual_name() -> None:
    programs = Encoders({**SMALL, "TextEncoder": {}})
    with pytest.raises(BadInputError, match=r"^TextEncoder has no input input_ids; convert the"):
        condition(programs, [prompt(3)], "Unet")


def test_time_ids_say_a_picture_of_1024_pixels_and_to_the_refiner_a_score() -> None:
    programs = Encoders(LARGE)
    assert (is_refiner(programs, "Unet"), is_refiner(programs, "UnetRefiner")) == (False, True)
    assert not is_refiner(Encoders(SMALL), "Unet")
    assert time_ids(programs, "Unet").tolist() == [1024, 1024, 0, 0, 1024, 1024] * 2
    assert time_ids(programs, "UnetRefiner").tolist() == [
        [1024, 1024, 0, 0, 2.5],
        [1024, 1024, 0, 0, 6],
    ]
    assert time_ids(programs, "Unet").dtype == np.float32
