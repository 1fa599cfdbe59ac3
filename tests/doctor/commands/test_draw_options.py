"""What `sdcoreml draw` makes of its words."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sdcoreml.convert.drawing.choices import Method, Rng, Spacing
from sdcoreml.convert.jobs.draw import STRENGTH, Request
from sdcoreml.doctor.commands.draw_options import configure, read_request
from sdcoreml.ground.errors import UsageError

NOTHING: dict[str, object] = {
    "folder": Path("made"),
    "prompt": ["a cat"],
    "negative": "",
    "steps": None,
    "guidance": None,
    "seed": 0,
    "scheduler": "dpmpp",
    "spacing": None,
    "rng": "numpy",
    "image": None,
    "controlnet": [],
    "control_image": [],
    "mask": None,
    "against": None,
    "compare": [],
    "ids": "app",
    "refiner": None,
    "preview": False,
    "device": "cpu",
    "through": None,
    "size": None,
    "output": Path("picture.png"),
    "html": None,
    "toolchain": "tested",
    "json": False,
}


@pytest.fixture(autouse=True)
def tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLCHAIN", "tested")


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    configure(parser)
    return parser.parse_args(["made", "a cat", *words])


def test_strength_and_precision_are_absent_unless_they_are_given() -> None:
    assert vars(parsed()) == NOTHING


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--negative blur --steps 5", {"negative": "blur", "steps": 5}),
        ("--guidance 7.5 --seed 3", {"guidance": 7.5, "seed": 3}),
        ("--scheduler pndm", {"scheduler": "pndm"}),
        ("--spacing karras --rng torch", {"spacing": "karras", "rng": "torch"}),
        ("--image a.png --strength 0.5", {"image": Path("a.png"), "strength": 0.5}),
        ("--precision fp32 --preview", {"precision": "fp32", "preview": True}),
        (
            "--controlnet n --control-image p.png --mask m.png",
            {
                "controlnet": [Path("n")],
                "control_image": [Path("p.png")],
                "mask": Path("m.png"),
            },
        ),
        ("--against m --refiner xl", {"against": Path("m"), "refiner": Path("xl")}),
        ("--ids model --compare b --compare c", {"ids": "model", "compare": [*map(Path, "bc")]}),
        ("--device mps --with coreml", {"device": "mps", "through": "coreml"}),
        ("-o x.png --html x.html", {"output": Path("x.png"), "html": Path("x.html")}),
        ("--output x.png --json", {"output": Path("x.png"), "json": True}),
        ("--size 512x768", {"size": (512, 768)}),
        ("--size 64X32", {"size": (64, 32)}),
        ("--size 64", {"size": (64, 64)}),
        ("--toolchain light", {"toolchain": "light"}),
    ],
)
def test_what_is_given_is_there_by_its_name(words: str, said: dict[str, object]) -> None:
    found = vars(parsed(*words.split()))
    assert {name: one for name, one in found.items() if one != NOTHING.get(name)} == said


@pytest.mark.parametrize(
    "words",
    [
        "--scheduler euler",
        "--spacing x",
        "--rng dice",
        "--precision fp8",
        "--ids none",
        "--device tpu",
        "--with onnx",
        "--steps many",
    ],
)
def test_a_value_that_is_none_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*words.split())
    assert "error: " in capsys.readouterr().err


def test_a_size_that_is_none_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--size", "large")
    assert "not a size such as 512x768: large" in capsys.readouterr().err


USUAL = Request(
    folder=Path("made"),
    prompt="a cat",
    negative="",
    steps=None,
    guidance=None,
    method=Method.DPM,
    spacing=None,
    rng=Rng.NUMPY,
    seed=0,
    start=None,
    strength=STRENGTH,
    nets={},
    mask=None,
    size=None,
    precision="fp16",
    against=None,
    refiner=None,
    own_ids=False,
    preview=False,
    device="cpu",
    units=None,
)


def test_without_options_a_request_is_as_mochi_draws() -> None:
    assert read_request(parsed()) == USUAL


def test_a_request_has_all_that_is_asked_for() -> None:
    words = (
        *("--negative", "blur", "--steps", "5", "--guidance", "0", "--seed", "3"),
        *("--spacing", "karras", "--rng", "torch", "--size", "64x32", "--precision", "fp32"),
        *("--image", "a.png", "--strength", "1", "--controlnet", "n", "--control-image", "p.png"),
        *("--mask", "m.png", "--against", "model", "--refiner", "xl", "--ids", "model"),
        *("--preview", "--device", "mps"),
    )
    assert read_request(parsed(*words)) == Request(
        folder=Path("made"),
        prompt="a cat",
        negative="blur",
        steps=5,
        guidance=0,
        method=Method.DPM,
        spacing=Spacing.KARRAS,
        rng=Rng.TORCH,
        seed=3,
        start=Path("a.png"),
        strength=1,
        nets={Path("n"): Path("p.png")},
        mask=Path("m.png"),
        size=(64, 32),
        precision="fp32",
        against=Path("model"),
        refiner=Path("xl"),
        own_ids=True,
        preview=True,
        device="mps",
        units=None,
    )


@pytest.mark.parametrize("words", ["--preview", "--device mps", "--precision fp16"])
def test_core_ml_decides_on_device_and_precision(words: str) -> None:
    assert read_request(parsed("--with", "coreml")).units is not None
    with pytest.raises(UsageError) as caught:
        read_request(parsed("--with", "coreml", *words.split()))
    assert str(caught.value) == (
        "--with coreml: Core ML decides on size, device and precision: leave those options out"
    )
