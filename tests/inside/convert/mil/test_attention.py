"""Attention for some queries at a time: the same results, from graphs as our builders draw them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sdcoreml.convert.mil.attention import MOST, find_attention
from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from sdcoreml.convert.spec.model import Operation
from sdcoreml.ground.errors import ParityError
from tests.inside.convert.mil.packages import open_package
from tests.inside.convert.programs.test_families import noise, package, unet

SIDE = 40
FEEDS = {
    "sample": noise(2, 4, SIDE, SIDE),
    "timestep": torch.tensor([981.0, 21.0]),
    "encoder_hidden_states": noise(2, 24, 1, 7, seed=1),
}


def watch(_: Operation, __: str, ___: torch.Tensor) -> None:
    """Whoever watches each operation gets each result whole."""


@pytest.mark.parametrize(
    ("attention", "count"), [(Attention.ORIGINAL, 3), (Attention.SPLIT_EINSUM, 12)]
)
def test_pieces_give_what_the_whole_gives(
    tmp_path: Path, attention: Attention, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    frames: list[Any] = []
    step = Executable._step

    def record(self: Executable, frame: Any, number: int, *more: Any) -> None:
        taken.append(number)
        frames[:] = [frame]
        step(self, frame, number, *more)

    monkeypatch.setattr(Executable, "_step", record)
    options = ProgramOptions(height=SIDE, width=SIDE, tokens=7, attention=attention)
    with open_package(package("unet", unet(), tmp_path, options)) as program:
        found = find_attention(program.function)
        assert len(found) == count
        assert all(one.operations[0].outputs[0].tensor.count > MOST for one in found)
        for mode in Mode:
            taken.clear()
            (pieces,) = program.run(FEEDS, mode).values()
            # Where pieces fail, all is computed whole instead.
            assert not {*taken} & {number for one in found for number in one.numbers}
            # What the pieces alone have read is freed, too.
            assert frames[0]._tensors.keys() == {*program.function.block.outputs}
            (whole,) = program.run(FEEDS, mode, watch).values()
            assert torch.allclose(pieces.float(), whole.float(), atol=2e-3)
        feeds = {**FEEDS, "sample": FEEDS["sample"] * 1e30}
        told = []
        for more in ((), (watch,)):
            with pytest.raises(ParityError) as caught:
                program.run(feeds, Mode.FP32, *more)
            told.append(str(caught.value))
        assert told[0] == told[1]
