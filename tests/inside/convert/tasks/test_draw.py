"""Pictures of a tiny model: files, pictures to start from and to follow, safety checks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdcoreml.convert.drawing.choices import Method
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.drawing.tokens import read_vocabulary
from sdcoreml.convert.drawing.trained import read_as_trained
from sdcoreml.convert.drawing.wish import Target, Wish
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.tasks.draw import draw_wish, judge
from sdcoreml.convert.tasks.interpreted import InterpretedPrograms
from sdcoreml.convert.tasks.pictures import read_picture, write_png
from sdcoreml.ground.errors import BadInputError, NoSpaceError
from sdcoreml.ground.events import Event, silent
from tests.inside.convert.tasks.tiny import SETTINGS, SIDE, Tiny


def wish(tiny: Tiny, output: Path, **more: Any) -> Wish:
    return Wish(
        folder=str(tiny.folder),
        programs={},
        targets=(Target(prompt="a red dog", output=str(output)),),
        settings=replace(SETTINGS, method=Method.DPM),
        **more,
    )


def draw_tiny(tiny: Tiny, asked: Wish) -> Any:
    with ExitStack() as stack:
        programs = InterpretedPrograms(tiny.places, Mode(asked.precision), stack)
        return draw_wish(programs, asked, silent)[0]


def picture(folder: Path, size: tuple[int, int], mode: str = "RGB") -> Path:
    path = folder / f"{mode}.png"
    across = Image.linear_gradient("L").resize(size)
    Image.merge(mode, [across] * len(mode)).save(path)
    return path


def test_equal_seeds_give_equal_files(tiny: Tiny, tmp_path: Path) -> None:
    events: list[Event] = []
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, seed in zip(files, (5, 5, 6), strict=True):
        asked = wish(tiny, file)
        asked = replace(asked, settings=replace(asked.settings, seed=seed, steps=1))
        with ExitStack() as stack:
            programs = InterpretedPrograms(tiny.places, Mode.FP16, stack)
            (found,) = draw_wish(programs, asked, events.append)
    first, second, third = (file.read_bytes() for file in files)
    assert first == second != third
    assert (found.width, found.height, found.timesteps) == (SIDE, SIDE, (999,))
    assert [(it.done, it.total, it.unit) for it in events if it.kind == "progress"] == [
        (1, 1, "steps")
    ] * 3
    with Image.open(files[0]) as image:
        assert (image.size, image.mode) == ((SIDE, SIDE), "RGB")


def test_a_picture_that_starts_from_one_and_follows_one_is_that_of_the_modules(
    tiny: Tiny, tmp_path: Path
) -> None:
    start, edges = picture(tmp_path, (300, 200)), picture(tmp_path, (SIDE, SIDE), "RGBA")
    output = tmp_path / "both.png"
    asked = wish(
        tiny,
        output,
        start=str(start),
        nets={"somewhere/Canny.mlmodelc": str(edges)},
        mask=str(edges),
        originals=tiny.originals,
    )
    found = draw_tiny(tiny, replace(asked, settings=replace(asked.settings, strength=0.7)))
    assert found.fitted == (str(start),)
    assert len(found.likeness.steps) == 2
    assert min(found.likeness.steps) >= 60
    assert found.likeness.psnr >= 35
    assert found.likeness.ssim > 0.99
    assert found.half is None
    with Image.open(output) as image:
        assert image.size == (2 * SIDE, SIDE)
        left, right = (np.asarray(image.crop((x, 0, x + SIDE, SIDE))) for x in (0, SIDE))
    assert left.std() > 1
    assert np.abs(left.astype(int) - right).max() <= 2


def test_the_model_s_own_picture_may_have_a_file_and_ids_of_its_own(
    tiny: Tiny, tmp_path: Path
) -> None:
    files = [tmp_path / f"{name}.png" for name in ("ours", "app", "own")]
    asked = wish(tiny, files[0], originals=tiny.originals)
    asked = replace(asked, settings=replace(asked.settings, steps=1))
    likeness = []
    for file, own_ids in zip(files[1:], (False, True), strict=True):
        target = Target(prompt="a red dog,", output=str(files[0]), original=str(file))
        found = draw_tiny(tiny, replace(asked, targets=(target,), own_ids=own_ids))
        likeness.append(found.likeness.psnr)
    for file in files:
        with Image.open(file) as image:
            assert image.size == (SIDE, SIDE)
    assert likeness[0] > likeness[1]
    assert files[1].read_bytes() != files[2].read_bytes()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", ["a red dog", "a dog, isn't it  red", "Dog" * 40, "", "a b" * 60])
def test_the_model_s_own_ids_are_those_of_the_pinned_tokenizer(tiny: Tiny, text: str) -> None:
    from transformers import CLIPTokenizer

    files = (str(tiny.folder / name) for name in ("vocab.json", "merges.txt"))
    pinned = CLIPTokenizer(*files)
    wanted = pinned(text, padding="max_length", truncation=True, max_length=77).input_ids
    read = read_as_trained(text, read_vocabulary(tiny.folder), 77)
    assert list(read.ids()) == wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """A safety checker with this verdict, which keeps what it was shown."""

    verdict: float
    seen: list[Mapping[str, Singles]]

    def inputs(self, _: str) -> Mapping[str, tuple[int, ...]]:
        return {"clip_input": (1, 3, 224, 224), "images": (1, 512, 512, 3), "adjustment": (1,)}

    def run(self, name: str, feeds: Mapping[str, Singles]) -> Mapping[str, Singles]:
        assert name == "SafetyChecker"
        self.seen.append(feeds)
        return {"has_nsfw_concepts": np.array([self.verdict], np.float32)}


@pytest.mark.parametrize("verdict", [0, 1])
def test_the_safety_checker_sees_what_apple_s_package_shows_it(verdict: int) -> None:
    checker = Checker(verdict=verdict, seen=[])
    assert judge(checker, np.full((64, 96, 3), 255, np.uint8)) is bool(verdict)
    (seen,) = checker.seen
    white = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert seen["clip_input"][0, :, 100, 100] == pytest.approx(white)
    assert not seen["images"].any()
    assert not seen["adjustment"].any()


def test_a_full_disk_is_said() -> None:
    with pytest.raises(NoSpaceError):
        write_png(np.zeros((8, 8, 3), np.uint8), Path("/dev/full"))


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="not a picture"):
        read_picture(path, (8, 8))
    with pytest.raises(BadInputError, match="no such file"):
        read_picture(tmp_path / "b.png", (8, 8))
