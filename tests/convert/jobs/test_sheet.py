"""A contact sheet: who draws what, where the pictures lie meanwhile, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.drawing.sheets import Compared, Nearness
from sdcoreml.convert.drawing.wish import Album, Drawn, Likeness, Reading
from sdcoreml.convert.jobs.draw import Request
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.sheet import Column, draw_sheet
from sdcoreml.convert.worker import Outcome
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.events import Emit, silent
from sdcoreml.ground.quantity import amount
from tests.convert.stand_ins import StandIn, finish, job_of, write_model

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
NEAR, FAR = Nearness(psnr=40.0, ssim=0.9), Nearness(psnr=20.0, ssim=0.5)


@dataclass
class Painter:
    """A `Runner` whose pictures hold the name of their folder, and the prompt."""

    near: tuple[tuple[Nearness, ...], ...]
    wishes: list[Mapping[str, Any]] = field(default_factory=list)
    sheets: list[Mapping[str, Any]] = field(default_factory=list)

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:  # noqa: ARG002
        if task == "sheet":
            self.sheets.append(request)
            return Outcome(value=to_plain(Compared(rows=self.near)), peak_memory=1)
        self.wishes.append(request)
        drawn = []
        for target in request["targets"]:
            folder = Path(request["folder"]).name
            Path(target["output"]).write_text(f"{folder} {target['prompt']}")
            if target["original"]:
                Path(target["original"]).write_text(f"model {target['prompt']}")
            drawn.append(
                Drawn(
                    width=128,
                    height=128,
                    prompt=Reading(ids=(1,)),
                    negative=Reading(ids=()),
                    timesteps=(len(self.wishes),),
                    likeness=Likeness(steps=(70.0,), psnr=50.0, ssim=1.0),
                )
            )
        return Outcome(value=to_plain(Album(pictures=tuple(drawn))), peak_memory=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("sheet")
    model = open_model(write_model(place / "cat"))
    recipes: Mapping[str, Mapping[str, int] | None] = {"whole": None, "small": {"bits": 6}}
    first, second = (
        finish(job_of(model, place / name, height=16, width=16, recipe=recipe), StandIn(size=SIZE))
        for name, recipe in recipes.items()
    )
    return first, second


def loaded(folder: Path) -> int:
    entries = read_manifest(folder).programs.values()
    return sum(one.size for entry in entries for one in entry.loaded.values())


def test_each_folder_draws_each_prompt(folders: tuple[Path, Path], tmp_path: Path) -> None:
    whole, small = folders
    painter = Painter(near=((NEAR,), (FAR,)))
    request = Request(folder=whole, prompt="unused", own_ids=False)
    output = tmp_path / "sheet.png"
    found = draw_sheet(request, ["a cat", "a dog"], [small], output, painter, silent)
    assert [Path(wish["folder"]).name for wish in painter.wishes] == ["whole", "small"]
    assert {one["original"] for wish in painter.wishes for one in wish["targets"]} == {""}
    (sheet,) = painter.sheets
    assert sheet["output"] == str(output)
    assert [row["prompt"] for row in sheet["rows"]] == ["a cat", "a dog"]
    names = [[Path(one).name for one in row["pictures"]] for row in sheet["rows"]]
    assert names == [["0-0.png", "1-0.png"], ["0-1.png", "1-1.png"]]
    assert sheet["heads"] == [
        ["uncompressed", amount(loaded(whole))],
        ["6-bit", amount(loaded(small))],
    ]
    assert found.columns == (
        Column(path=whole, nbytes=loaded(whole), storage="uncompressed"),
        Column(path=small, nbytes=loaded(small), storage="6-bit"),
    )
    assert [(row.prompt, row.pictures, row.near) for row in found.rows] == [
        ("a cat", (b"whole a cat", b"small a cat"), (None, NEAR)),
        ("a dog", (b"whole a dog", b"small a dog"), (None, FAR)),
    ]
    for row in found.rows:
        assert [one.drawn.timesteps for one in row.drawings] == [(1,), (2,)]
    assert list(tmp_path.iterdir()) == [], "the pictures lay aside, and are gone"


def test_the_model_itself_comes_first_and_is_drawn_once(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    whole, small = folders
    model = whole.parent / "cat"
    painter = Painter(near=((NEAR, NEAR, FAR),))
    request = Request(folder=whole, prompt="", against=model, own_ids=True)
    others = [small, whole]
    found = draw_sheet(request, ["a cat"], others, tmp_path / "s.png", painter, silent)
    assert [bool(wish["originals"]) for wish in painter.wishes] == [True, False, False]
    assert [wish["own_ids"] for wish in painter.wishes] == [True, False, False]
    names = [Path(one).name for one in painter.sheets[0]["rows"][0]["pictures"]]
    assert names == ["original-0.png", "0-0.png", "1-0.png", "2-0.png"]
    inputs = sum(one.size for one in read_manifest(whole).inputs.values())
    assert found.columns == (
        Column(path=model, nbytes=inputs, is_model=True),
        # Two of them are stored alike, so that does not tell them apart.
        Column(path=whole, nbytes=loaded(whole)),
        Column(path=small, nbytes=loaded(small)),
        Column(path=whole, nbytes=loaded(whole)),
    )
    assert [one.name for one in found.columns] == ["the model itself", "whole", "small", "whole"]
    (row,) = found.rows
    assert row.pictures == (b"model a cat", b"whole a cat", b"small a cat", b"whole a cat")
    assert row.near == (None, NEAR, NEAR, FAR)
    assert len(row.drawings) == 3
