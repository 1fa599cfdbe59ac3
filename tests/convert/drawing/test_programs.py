"""A program gets what it declares, no less and no more, or is refused as the app would fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from sdcoreml.convert.drawing.programs import Shapes, run_checked, run_single
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.ground.errors import BadInputError

X = np.zeros((2, 4), np.float32)
NAMES = np.zeros((1,), np.float32)


@dataclass
class One:
    """A program with these inputs, which gives the first of them back."""

    ports: Shapes
    ran: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def inputs(self, _: str) -> Shapes:
        return self.ports

    def run(self, name: str, feeds: Mapping[str, Singles]) -> Mapping[str, Singles]:
        self.ran.append((name, tuple(feeds)))
        return {"y": next(iter(feeds.values()))}


def test_a_program_is_run_with_what_it_declares() -> None:
    programs = One({"x": (2, 4), "t": (1,)})
    assert run_checked(programs, "Unet", {"x": X, "t": NAMES})["y"] is X
    assert programs.ran == [("Unet", ("x", "t"))]


@pytest.mark.parametrize(
    ("ports", "said"),
    [
        ({}, "Unet has no input x"),
        ({"x": (4, 2)}, "Unet takes x as [4, 2], and the app sends [2, 4]"),
        ({"x": (2, 4), "b": (1,), "a": (1,)}, "Unet takes a, b, which no app sends"),
    ],
)
def test_what_the_app_could_not_run_is_refused(ports: Shapes, said: str) -> None:
    programs = One(ports)
    with pytest.raises(BadInputError) as caught:
        run_checked(programs, "Unet", {"x": X})
    assert str(caught.value) == f"{said}; convert the model again"
    assert programs.ran == []


def test_a_single_input_may_have_any_name() -> None:
    programs = One({"anything": (2, 4)})
    assert run_single(programs, "VAEDecoder", X) is X
    assert programs.ran == [("VAEDecoder", ("anything",))]
    with pytest.raises(BadInputError, match=r"^VAEDecoder has 0 inputs, not one; convert the"):
        run_single(One({}), "VAEDecoder", X)
