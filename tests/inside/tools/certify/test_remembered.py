"""For the same inputs, the module is run once and its outputs are reused; for others, again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sdcoreml.convert.programs.options import Attention, Prediction, ProgramOptions
from sdcoreml.convert.references.components import Outputs, Reference
from sdcoreml.convert.references.inputs import Feeds
from tools.certify.remembered import remember

FEEDS = {"sample": torch.arange(6.0).reshape(2, 3), "timestep": torch.tensor([1.0, 9.0])}
DEFAULT = ProgramOptions()
MODULE = torch.nn.Identity()


def counted() -> tuple[Reference, list[ProgramOptions]]:
    asked: list[ProgramOptions] = []

    def call(_: torch.nn.Module, feeds: Feeds, options: ProgramOptions) -> Outputs:
        asked.append(options)
        return {"noise_pred": feeds["sample"].T * len(asked)}

    judge = Reference(build=lambda _: MODULE, feeds=lambda *_: (FEEDS,), call=call)
    return judge, asked


def test_another_attention_is_the_same_question(tmp_path: Path) -> None:
    judge, asked = counted()
    kept = remember(judge, "SD1-unet", tmp_path)
    first = kept.call(MODULE, FEEDS, ProgramOptions(attention=Attention.ORIGINAL))
    second = kept.call(MODULE, FEEDS, DEFAULT)
    assert len(asked) == 1
    assert torch.equal(first["noise_pred"], second["noise_pred"])
    assert torch.equal(second["noise_pred"], FEEDS["sample"].T)


@pytest.mark.parametrize(
    ("module", "feeds", "options"),
    [
        ("SDXL-unet", FEEDS, DEFAULT),
        ("SD1-unet", {**FEEDS, "timestep": torch.tensor([1.0, 8.0])}, DEFAULT),
        ("SD1-unet", {**FEEDS, "sample": FEEDS["sample"].reshape(3, 2)}, DEFAULT),
        ("SD1-unet", FEEDS, ProgramOptions(prediction=Prediction.VELOCITY)),
    ],
)
def test_another_question_is_asked(
    module: str, feeds: Feeds, options: ProgramOptions, tmp_path: Path
) -> None:
    judge, asked = counted()
    remember(judge, "SD1-unet", tmp_path).call(MODULE, FEEDS, DEFAULT)
    remember(judge, module, tmp_path).call(MODULE, feeds, options)
    assert len(asked) == 2


def test_an_answer_that_could_not_be_kept_is_none(tmp_path: Path) -> None:
    judge, asked = counted()
    broken = replace(judge, call=lambda *_: {"noise_pred": torch.zeros(2).to("meta")})
    with pytest.raises(NotImplementedError):
        remember(broken, "SD1-unet", tmp_path).call(MODULE, FEEDS, DEFAULT)
    remember(judge, "SD1-unet", tmp_path).call(MODULE, FEEDS, DEFAULT)
    assert len(asked) == 1
