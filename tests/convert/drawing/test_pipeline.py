from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.drawing.choices import Method, Rng, Settings, Spacing
from sdcoreml.convert.drawing.pipeline import Moment, Subject, draw
from sdcoreml.convert.drawing.pixels import Picture, to_image, to_picture
from sdcoreml.convert.drawing.tokens import Vocabulary, read_vocabulary, tokenize
from sdcoreml.convert.models.vocabulary import vocabulary_folder
from sdcoreml.ground.errors import BadInputError, UsageError
from tests.convert.drawing.invented import (
    ONE_ROW,
    REFINER_ALONE,
    SD,
    XL,
    XL_REFINED,
    InventedPrograms,
    picture,
)
from tests.convert.drawing.swift import RUNS

PROMPT, NEGATIVE = "a photo of an astronaut riding a horse on mars", "lowres, bad anatomy"
PORTS = {
    "pndm_guidance_0.5_unet_one_row": ONE_ROW,
    "pndm_guidance_7.5_unet_one_row": ONE_ROW,
    "xl_pndm": XL,
    "xl_dpmpp_karras_refiner": XL_REFINED,
    "xl_refiner_alone_img2img": REFINER_ALONE,
}
RECORDED = {"XLUnet12": "Unet", "Unet1": "Unet"}
"""The names of recorded programs that stand for those of a folder."""

PLAIN = Settings(
    steps=6,
    guidance=7.5,
    method=Method.DPM,
    spacing=Spacing.LINSPACE,
    rng=Rng.NUMPY,
    seed=93,
    latent_scale=0.18215,
)


@pytest.fixture(scope="module")
def clip() -> Vocabulary:
    return read_vocabulary(vocabulary_folder())


def subject(clip: Vocabulary, case: dict[str, Any]) -> Subject:
    guides = {"netA": to_image(picture(3, 11, 0), 0), "netB": to_image(picture(9, 2, 5), 0)}
    return Subject(
        prompt=tokenize(PROMPT, clip, 77),
        negative=tokenize(NEGATIVE, clip, 77),
        start=to_image(picture(5, 7, 3), -1) if case["mode"] == "imageToImage" else None,
        guides=dict(list(guides.items())[: case["controlnets"]]),
    )


def settings(case: dict[str, Any]) -> Settings:
    return Settings(
        steps=case["steps"],
        guidance=case["guidance"],
        method=Method.PNDM if case["scheduler"] == "pndmScheduler" else Method.DPM,
        spacing=Spacing(case["spacing"]),
        rng=Rng(case["rng"].removesuffix("RNG")),
        seed=case["seed"],
        strength=case["strength"],
        latent_scale=case["scale"],
    )


def run(programs: InventedPrograms, of: Subject, how: Settings) -> tuple[Picture, list[Moment]]:
    moments: list[Moment] = []
    return to_picture(draw(programs, of, how, moments.append)), moments


def near(values: Any) -> Any:
    return pytest.approx(np.array(values), rel=0, abs=1e-5 * np.abs(values).max())


@pytest.mark.parametrize("case", RUNS["pipelines"], ids=lambda case: case["name"])
def test_a_run_is_that_of_apple_s_pipeline(clip: Vocabulary, case: dict[str, Any]) -> None:
    programs = InventedPrograms(ports=PORTS.get(case["name"], SD))
    drawn, moments = run(programs, subject(clip, case), settings(case))
    for moment, latent in zip(moments, case["latents"], strict=True):
        assert moment.latent.ravel()[:4] == near(latent)
    assert moments[-1].latent.ravel()[::4] == near(case["last"])
    assert moments[-1].clean.ravel()[::4] == near(case["clean"])
    assert drawn.shape == (32, 48, 3)
    assert drawn.ravel()[::37].tolist() == case["bytes"]
    # Apple's pipeline runs the second encoder once more for the refiner, with the same ids
    wanted = [RECORDED.get(name, name) for name in case["calls"]]
    assert [one for one in programs.calls if "Unet" in one] == [
        _of_folder(case, one) for one in wanted if "Unet" in one or one == "XLRefiner"
    ]


def _of_folder(case: dict[str, Any], name: str) -> str:
    alone = "alone" in case["name"]
    return ("Unet" if alone else "UnetRefiner") if name == "XLRefiner" else name


def test_a_guidance_below_1_needs_a_unet_of_one_row(clip: Vocabulary) -> None:
    """Apple's package passes one row, which a UNet of two rows refuses (golden/swift-runs)."""
    of = Subject(prompt=tokenize(PROMPT, clip, 77), negative=tokenize("", clip, 77))
    with pytest.raises(UsageError, match=r"guidance of 0\.5 .* always takes two prompts"):
        draw(InventedPrograms(ports=SD), of, replace(PLAIN, guidance=0.5), print)


def test_a_strength_that_leaves_no_step_is_refused(clip: Vocabulary) -> None:
    """Apple's DPM-Solver++ crashes there."""
    of = subject(clip, {"mode": "imageToImage", "controlnets": 0})
    with pytest.raises(UsageError, match=r"of 6 steps, strength 0\.1 leaves none"):
        draw(InventedPrograms(ports=SD), of, replace(PLAIN, strength=0.1), print)


def test_a_full_strength_ignores_the_picture(clip: Vocabulary) -> None:
    of = subject(clip, {"mode": "imageToImage", "controlnets": 0})
    programs = InventedPrograms(ports=SD)
    first, _ = run(programs, of, PLAIN)
    second, _ = run(InventedPrograms(ports=SD), replace(of, start=None), PLAIN)
    assert np.array_equal(first, second)
    assert "VAEEncoder" not in programs.calls


@pytest.mark.parametrize(
    ("program", "inputs", "message"),
    [
        ("Unet", {"sample": (2, 4, 4, 6), "timestep": (2,)}, "no input encoder_hidden_states"),
        ("Unet", {**SD["Unet"], "timestep_cond": (2, 8)}, "takes timestep_cond, which no app"),
        ("TextEncoder", {"input_ids": (2, 77)}, r"takes input_ids as \[2, 77\].* sends \[1, 77\]"),
        ("VAEDecoder", {"z": (1, 4, 4, 6), "more": (1,)}, "VAEDecoder has 2 inputs, not one"),
    ],
)
def test_a_program_that_the_app_cannot_run_is_refused(
    clip: Vocabulary, program: str, inputs: dict[str, tuple[int, ...]], message: str
) -> None:
    of = Subject(prompt=tokenize(PROMPT, clip, 77), negative=tokenize("", clip, 77))
    with pytest.raises(BadInputError, match=message):
        draw(InventedPrograms(ports={**SD, program: inputs}), of, PLAIN, lambda _: None)
