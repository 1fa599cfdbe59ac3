"""Small pictures of a folder's own weights: the programs are those that a builder would draw."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sdcoreml.convert.programs.options import Attention, ProgramOptions
from sdcoreml.convert.spec.model import Function
from sdcoreml.convert.storage.package import open_program
from sdcoreml.convert.tasks.draw import draw_wish, open_programs
from sdcoreml.convert.tasks.interpreted import require_device
from sdcoreml.convert.tasks.preview import Size, shrink_program, smallest_size
from sdcoreml.ground.errors import UnableError, UsageError
from sdcoreml.ground.events import silent
from tests.inside.convert.programs.test_families import package, unet
from tests.inside.convert.tasks.test_draw import wish
from tests.inside.convert.tasks.tiny import Tiny


def declared(function: Function) -> list[tuple[str, object]]:
    """Return what a graph computes, in order, and the type of each result."""
    operations = function.block.operations
    return [
        (item.type, [output.type for output in item.outputs])
        for item in operations
        if not item.is_constant
    ]


@pytest.mark.parametrize("attention", [Attention.ORIGINAL, Attention.SPLIT_EINSUM])
def test_the_small_graph_is_the_one_that_is_drawn_for_its_size(
    tmp_path: Path, attention: Attention
) -> None:
    module, graphs = unet(), []
    for height, width in ((16, 32), (8, 16)):
        place = tmp_path / str(height)
        place.mkdir()
        options = ProgramOptions(height=height, width=width, attention=attention)
        with open_program(package("unet", module, place, options)) as program:
            assert smallest_size(program) == Size(height=8, width=16)
            small = shrink_program(program, Size(height=8, width=16))
            graphs.append(declared(small.function))
    assert graphs[0] == graphs[1]


def test_attention_in_pieces_has_no_preview(tmp_path: Path) -> None:
    options = ProgramOptions(height=32, width=32, attention=Attention.SPLIT_EINSUM_V2)
    with (
        open_program(package("unet", unet(), tmp_path, options)) as program,
        pytest.raises(UsageError, match="a graph for its own size alone"),
    ):
        shrink_program(program, Size(height=8, width=8))


def test_a_preview_is_what_the_modules_draw_at_its_size(tiny: Tiny, tmp_path: Path) -> None:
    asked = replace(
        wish(tiny, tmp_path / "small.png", originals=tiny.originals, precision="fp32"),
        preview=True,
    )
    with ExitStack() as stack:
        (found,) = draw_wish(open_programs(tiny.places, asked, stack), asked, silent)
    assert (found.width, found.height) == (64, 64)
    assert found.likeness is not None
    assert min(*found.likeness.steps, found.likeness.psnr) > 90


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_here_is_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require_device("cpu")
    module = torch.cuda if device == "cuda" else torch.backends.mps
    monkeypatch.setattr(module, "is_available", lambda: False)
    with pytest.raises(UnableError, match=f"--device {device}"):
        require_device(device)
    monkeypatch.setattr(module, "is_available", lambda: True)
    require_device(device)
