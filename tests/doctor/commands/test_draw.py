"""The options, output and refusals of `sdcoreml draw`."""

from __future__ import annotations

import argparse
import base64
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.drawing.choices import Spacing
from sdcoreml.convert.drawing.wish import Album, Drawn, Likeness, Loss, Reading
from sdcoreml.convert.jobs.manifest import read_manifest, write_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.loading.record import Machine
from sdcoreml.convert.worker import Outcome
from sdcoreml.doctor.commands import draw
from sdcoreml.doctor.commands.draw_options import read_request
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UnableError, UsageError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.quantity import amount
from tests.convert.stand_ins import StandIn, finish, job_of, write_model
from tests.schemas import read_as

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
PICTURE = draw.PNG + b"picture"
DRAWN = Drawn(
    width=128,
    height=128,
    prompt=Reading(ids=(1, *[2] * 76)),
    negative=Reading(ids=(1, *[2] * 76)),
    timesteps=(999, 500),
)


@dataclass
class Drawer:
    """A `Runner` that writes a picture as the task `draw` does."""

    drawn: Drawn = DRAWN
    wishes: list[Mapping[str, Any]] = field(default_factory=list)
    sheets: list[Mapping[str, Any]] = field(default_factory=list)

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        if task == "sheet":
            return Outcome(value={"rows": self._compare(request)}, peak_memory=1)
        emit(Event(kind="step", text="draw"))
        self.wishes.append(request)
        for target in request["targets"]:
            for name in filter(None, (target["output"], target["original"])):
                Path(name).write_bytes(PICTURE)
        album = Album(pictures=(self.drawn,) * len(request["targets"]))
        return Outcome(value=to_plain(album), peak_memory=1)

    def _compare(self, request: Mapping[str, Any]) -> list[list[dict[str, float]]]:
        """Write a sheet; the figures of each row are 1 dB worse than those of the row before."""
        Path(request["output"]).write_bytes(draw.PNG + b"sheet")
        self.sheets.append(request)
        rows = []
        for number, row in enumerate(request["rows"]):
            assert all(Path(one).read_bytes() == PICTURE for one in row["pictures"])
            rows.append([{"psnr": 31.5 - number, "ssim": 0.91}] * (len(row["pictures"]) - 1))
        return rows


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    draw.configure(parser)
    return parser.parse_args(words)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    job = job_of(open_model(write_model(tmp_path / "cat")), tmp_path / "out", "ORIGINAL")
    return finish(job, StandIn(size=SIZE))


def test_the_picture_is_written_where_it_is_asked_for(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "new" / "cat.png"
    assert draw.run(arguments(str(folder), "a cat", "-o", str(target)), Drawer()) == 0
    assert target.read_bytes() == PICTURE
    assert capsys.readouterr().out == (
        f"{target}: 128x128, dpmpp linspace, 12 steps, guidance 11, seed 0 (numpy)\n"
    )
    assert [path.name for path in target.parent.iterdir()] == ["cat.png"]


def test_how_the_app_reads_the_prompt_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reading = replace(
        DRAWN.prompt,
        unknown=(Loss(word="猫,", part="猫"),),
        beyond=("much", "more"),
        otherwise=("dog,", "dog,", "it's"),
    )
    drawer = Drawer(drawn=replace(DRAWN, prompt=reading, unsafe=True))
    target = tmp_path / "cat.png"
    draw.run(arguments(str(folder), "a cat", "--scheduler", "pndm", "-o", str(target)), drawer)
    assert capsys.readouterr().out == (
        f"{target}: 128x128, pndm, 12 steps, guidance 11, seed 0 (numpy)\n"
        "  prompt: the app loses 猫 of 猫,: its vocabulary has no such token\n"
        "  prompt: longer than 75 tokens; the app ignores: much more\n"
        "  prompt: the app splits into other tokens than the model was trained on: dog, it's"
        " (a space before punctuation helps)\n"
        "  the safety checker objects: Apple's package would hide this picture\n"
    )


def test_json_has_everything(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "cat.png")
    draw.run(arguments(str(folder), "a cat", "--json", "--seed", "3", "-o", target), Drawer())
    found = read_as("draw", capsys.readouterr().out)
    assert found == {
        "schema": 1,
        "picture": target,
        **to_plain(DRAWN),
        "settings": {
            "steps": 12,
            "guidance": 11.0,
            "method": "dpmpp",
            "spacing": "linspace",
            "rng": "numpy",
            "seed": 3,
            "latent_scale": 0.18215,
            "strength": 1.0,
        },
        "notes": [],
    }


@pytest.mark.parametrize(
    ("words", "place", "message"),
    [
        (("--steps", "0"), "--steps", "from 1 to 1000"),
        (("--steps", "1", "--scheduler", "pndm"), "--steps", "from 2 to 1000"),
        (("--seed", "-1"), "--seed", "from 0 to 4294967295"),
        (("--seed", "4294967296"), "--seed", "from 0 to 4294967295"),
        (("--guidance", "-1"), "--guidance", "from 0 to 999"),
        (("--guidance", "nan"), "--guidance", "from 0 to 999"),
        (("--image", "a.png", "--strength", "0"), "--strength", "above 0, and at most 1"),
        (("--strength", "0.5"), "--strength", "needs --image"),
        (("--spacing", "karras", "--scheduler", "pndm"), "--spacing", "is for --scheduler dpmpp"),
        (("--controlnet", "net"), "--control-image", "needs as many"),
        (("--control-image", "a.png"), "--control-image", "needs as many"),
        (("--mask", "a.png"), "--mask", "needs a --controlnet for inpainting"),
        (("--steps", "1001"), "--steps", "from 1 to 1000"),
        (("--guidance", "1000"), "--guidance", "from 0 to 999"),
        (("--image", "a.png", "--strength", "1.1"), "--strength", "above 0, and at most 1"),
        (
            ("--controlnet", "a", "--controlnet", "a", *(("--control-image", "x") * 2)),
            "--controlnet",
            "the same folder twice",
        ),
        (("--ids", "model"), "--ids", "needs --against"),
        (("--refiner", "xl"), "--refiner", "needs --against"),
        (("--with", "coreml", "--preview"), "--with coreml", "leave those options out"),
        (("--with", "coreml", "--device", "mps"), "--with coreml", "leave those options out"),
        (("--with", "coreml", "--precision", "fp16"), "--with coreml", "leave those options out"),
    ],
)
def test_an_option_out_of_place_is_refused_by_name(
    words: tuple[str, ...], place: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_request(arguments("folder", "a cat", *words))
    assert caught.value.where == place
    assert message in caught.value.what


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (("--steps", "1"), "steps", 1),
        (("--steps", "2", "--scheduler", "pndm"), "steps", 2),
        (("--steps", "1000"), "steps", 1000),
        (("--seed", "0"), "seed", 0),
        (("--seed", "4294967295"), "seed", 4294967295),
        (("--guidance", "0"), "guidance", 0.0),
        (("--guidance", "999"), "guidance", 999.0),
        (("--image", "a.png", "--strength", "1"), "strength", 1.0),
        (("--image", "a.png", "--strength", "0.01"), "strength", 0.01),
        (("--spacing", "karras"), "spacing", Spacing.KARRAS),
        (("--ids", "model", "--against", "m"), "own_ids", True),
        (("--refiner", "xl", "--against", "m"), "refiner", Path("xl")),
        (("--size", "512x768"), "size", (512, 768)),
        (("--size", "512"), "size", (512, 512)),
        (("--precision", "fp32"), "precision", "fp32"),
        (("--preview",), "preview", True),
        (("--device", "mps"), "device", "mps"),
        (("--negative", "a dog"), "negative", "a dog"),
        (
            ("--controlnet", "a", "--control-image", "x", "--mask", "y"),
            "nets",
            {Path("a"): Path("x")},
        ),
    ],
)
def test_an_option_at_its_ends_is_taken(words: tuple[str, ...], field: str, value: object) -> None:
    assert getattr(read_request(arguments("folder", "a cat", *words)), field) == value


def test_a_finished_folder_is_never_written_into(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    drawer = Drawer()
    with pytest.raises(UsageError, match="finished folder, which drawing never changes"):
        draw.run(arguments(str(folder), "a", "-o", str(folder / "new" / "a.png")), drawer)
    assert sorted(folder.rglob("*")) == before
    assert drawer.wishes == []


def test_a_file_that_is_no_picture_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "notes.txt"
    target.write_text("dear diary")
    with pytest.raises(BadInputError, match="exists and is no PNG file"):
        draw.run(arguments(str(folder), "a", "-o", str(target)), Drawer())
    assert target.read_text() == "dear diary"


def test_a_failure_leaves_no_file_and_the_old_picture(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(draw.PNG + b"old")

    class Failing(Drawer):
        def run(self, _: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
            super().run(_, request, emit)
            raise SdcoremlError("no")

    with pytest.raises(SdcoremlError, match="no"):
        draw.run(arguments(str(folder), "a", "-o", str(target)), Failing())
    assert target.read_bytes() == draw.PNG + b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "cat", "out"]


def test_a_toolchain_without_torch_is_refused(folder: Path) -> None:
    typed = arguments(str(folder), "a", "--toolchain", "light")
    typed.typed = ("draw", str(folder), "a", "--toolchain", "light")
    with pytest.raises(UsageError, match="has no torch, which drawing needs"):
        draw.run(typed, Drawer())


def test_another_size_than_the_folder_s_is_refused(folder: Path, tmp_path: Path) -> None:
    words = (str(folder), "a", "-o", str(tmp_path / "a.png"), "--size", "512x512")
    with pytest.raises(UsageError, match="draws 128x128 only"):
        draw.run(arguments(*words), Drawer())


def test_core_ml_is_refused_elsewhere_than_on_a_mac(folder: Path, tmp_path: Path) -> None:
    words = (str(folder), "a", "--with", "coreml", "-o", str(tmp_path / "a.png"))
    drawer = Drawer()
    with pytest.raises(UnableError, match="macOS alone") as caught:
        draw.run(arguments(*words), drawer, lambda: None)
    assert caught.value.remedy == "leave it out; the programs are run here by an interpreter"
    assert drawer.wishes == []


def test_on_a_mac_core_ml_may_use_what_apps_let_it_use(folder: Path, tmp_path: Path) -> None:
    words = (str(folder), "a", "--with", "coreml", "-o", str(tmp_path / "a.png"))
    drawer = Drawer()
    draw.run(arguments(*words), drawer, lambda: Machine(chip="M2", macos="15.2", memory=1))
    units = dict.fromkeys(("TextEncoder", "Unet", "VAEDecoder", "VAEEncoder"), "CPU_AND_GPU")
    assert drawer.wishes[0]["units"] == units


def test_a_preview_says_what_the_folder_draws(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (str(folder), "a", "--preview", "--device", "mps", "-o", str(tmp_path / "a.png"))
    drawer = Drawer(drawn=replace(DRAWN, width=64, height=64))
    draw.run(arguments(*words), drawer)
    assert (drawer.wishes[0]["preview"], drawer.wishes[0]["device"]) == (True, "mps")
    said = capsys.readouterr().out
    assert "a.png: 64x64" in said
    assert "note: a preview: the folder itself draws 128x128, and better at that size" in said


def test_how_near_the_model_s_own_picture_is_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    near = Likeness(steps=(72.0, 58.26, 61.0), psnr=41.5, ssim=0.99912)
    half = Likeness(steps=(73.0, 59.0, 62.0), psnr=999.0, ssim=1)
    target = tmp_path / "cat.png"
    words = (str(folder), "a cat", "-o", str(target))
    draw.run(arguments(*words), Drawer(drawn=replace(DRAWN, likeness=near, half=half)))
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  left: the folder's picture; right: that of the model's own modules",
        (
            "  alike: picture 41.5 dB, SSIM 0.9991; latents 72.0 dB after the first step, 61.0 dB"
            " after the last, at worst 58.3 dB after step 2"
        ),
        (
            "  the modules themselves, in half precision: picture exact, SSIM 1.0000; latents 73.0"
            " dB after the first step, 62.0 dB after the last, at worst 59.0 dB after step 2"
        ),
    ]


def test_a_contact_sheet_says_what_each_folder_costs_and_keeps(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = shutil.copytree(folder, tmp_path / "small")
    target = tmp_path / "sheet.png"
    drawer = Drawer()
    words = (str(folder), "a cat", "--compare", str(small), "-o", str(target))
    assert draw.run(arguments(*words), drawer) == 0
    size = sum(path.stat().st_size for path in folder.glob("*.mlmodelc/**/*") if path.is_file())
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  from left to right:",
        f"    {folder}: {amount(size)}, the first",
        f"    {small}: {amount(size)}, 31.5 dB of the first, SSIM 0.9100",
    ]
    assert target.read_bytes() == draw.PNG + b"sheet"
    assert [Path(wish["folder"]).name for wish in drawer.wishes] == ["out", "small"]
    draw.run(arguments(*words, "--json"), drawer)
    said = read_as("draw", capsys.readouterr().out)
    assert said["compared"] == [
        {"folder": str(folder), "bytes": size, "near": None},
        {"folder": str(small), "bytes": size, "near": {"psnr": 31.5, "ssim": 0.91}},
    ]
    assert said["timesteps"] == [999, 500]
    (row,) = said["rows"]
    assert row == {
        "prompt": "a cat",
        "pictures": [to_plain(DRAWN)] * 2,
        "near": [None, {"psnr": 31.5, "ssim": 0.91}],
    }


@pytest.mark.parametrize("more", [(), ("a dog",)], ids=["picture", "sheet"])
def test_a_page_has_every_picture(folder: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    page = tmp_path / "page.html"
    words = (str(folder), "a <cat>", *more, "-o", str(tmp_path / "a.png"), "--html", str(page))
    draw.run(arguments(*words), Drawer())
    text = page.read_text()
    assert text.count(base64.b64encode(PICTURE).decode()) == 1 + len(more)
    assert "a &lt;cat&gt;" in text
    assert all(one in text for one in ("128x128", "dpmpp linspace", "0 (numpy)", *more))


def test_a_file_that_is_no_page_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    page, drawer = tmp_path / "page.html", Drawer()
    page.write_text("<p>mine</p>")
    words = (str(folder), "a", "-o", str(tmp_path / "a.png"), "--html", str(page))
    with pytest.raises(BadInputError, match="exists and is no page"):
        draw.run(arguments(*words), drawer)
    assert (page.read_text(), drawer.wishes) == ("<p>mine</p>", [])
    with pytest.raises(UsageError, match=r"\bis the picture's own file"):
        draw.run(arguments(str(folder), "a", "-o", "new.png", "--html", "new.png"), drawer)


def test_rows_are_prompts_and_the_model_is_the_first_column(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, model = shutil.copytree(folder, tmp_path / "small"), tmp_path / "cat"
    drawer = Drawer()
    words = (str(folder), "a cat", "a dog", "--compare", str(small), "--against", str(model))
    draw.run(arguments(*words, "--ids", "model", "-o", str(tmp_path / "sheet.png")), drawer)
    (asked,) = drawer.sheets
    assert [head[0] for head in asked["heads"]] == ["the model itself", "out", "small"]
    assert [row["prompt"] for row in asked["rows"]] == ["a cat", "a dog"]
    assert [len(wish["targets"]) for wish in drawer.wishes] == [2, 2]
    assert [wish["own_ids"] for wish in drawer.wishes] == [True, False]
    assert [bool(wish["originals"]) for wish in drawer.wishes] == [True, False]
    lines = capsys.readouterr().out.splitlines()
    columns = lines[lines.index("  from left to right:") + 1 :]
    assert columns[0].startswith(f"    {model} (the model itself): ")
    assert columns[0].endswith(", the first")
    assert columns[2].endswith("30.5 dB to 31.5 dB of the first, SSIM 0.9100")


def test_columns_are_told_by_how_weights_are_stored(folder: Path, tmp_path: Path) -> None:
    small = shutil.copytree(folder, tmp_path / "small")
    manifest = read_manifest(small)
    options = replace(manifest.options, recipe={"bits": 6})
    write_manifest(replace(manifest, options=options), small)
    drawer = Drawer()
    words = (str(folder), "a cat", "--compare", str(small), "-o", str(tmp_path / "sheet.png"))
    draw.run(arguments(*words), drawer)
    assert [head[0] for head in drawer.sheets[0]["heads"]] == ["uncompressed", "6-bit"]


def test_of_many_rows_the_least_and_the_most_are_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = shutil.copytree(folder, tmp_path / "small")
    words = (str(folder), "a", "b", "c", "--compare", str(small), "-o", str(tmp_path / "s.png"))
    draw.run(arguments(*words), Drawer())
    said = capsys.readouterr().out
    assert "29.5 dB to 31.5 dB of the first, SSIM 0.9100" in said
