"""The certified programs are the ones that conversions of published models produce."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.families import programs_of
from sdcoreml.convert.certificates.store import load
from sdcoreml.convert.jobs import for_comfyui
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.models.family import Task
from sdcoreml.convert.models.layout import Component, Model
from sdcoreml.convert.programs.options import (
    Attention,
    ProgramOptions,
    Runtime,
    Target,
    TextStates,
)
from sdcoreml.convert.proof.record import AuditRecord, Origin, ProgramProof
from tools.certify.__main__ import certified_targets
from tools.certify.cases import CASES, Case
from tools.certify.issue import Issuer
from tools.certify.models import MODELS

ISSUER = Issuer(toolchain="tested", lock="5f", date="2026-11-25")
PROVED = ProgramProof(
    component="unet",
    passed=True,
    runs=2,
    graph="aa",
    outputs=(),
    audit=AuditRecord(matched=1),
)
ORIGIN = Origin(toolchain="tested", lock="5f", date="2026-11-25")
VELOCITY = {"prediction_type": "v_prediction"}


def model(case: Case, folder: Path) -> Model:
    """Return a case's model, with only what determines the options of its programs."""
    return Model(
        path=folder,
        pipeline="",
        tokenizers={},
        family=MODELS[case.model].family,
        task=Task.TEXT_TO_IMAGE,
        components={
            name: Component(name=name, folder=folder / name, kind="", config=config)
            for name, config in MODELS[case.model].configs.items()
        },
        scheduler=VELOCITY if case.model == "sd2-v" else {},
    )


@pytest.mark.parametrize("name", [name for name in CASES if "text" not in name])
def test_a_case_asks_for_what_a_conversion_would(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    asked = Options(
        attention=Attention(case.attention or "ORIGINAL"),
        height=case.height // 8,
        width=case.width // 8,
    )
    wanted_beside = {"controlled_unet"} & {case.part.program}
    if case.is_for_comfyui:
        asked = replace(asked, batch=1, controlled=bool(wanted_beside), runtime=Runtime.COMFYUI)
        parts = tuple(for_comfyui.parts(model(case, tmp_path), asked, "cat", ()))
    else:
        parts = programs_of(model(case, tmp_path), wanted_beside)
    (part,) = (part for part in parts if part.program == case.part.program)
    given = replace(case.options("macOS13"), tokens=77, attention=asked.attention)
    assert given == asked.for_program(part)


def test_names_say_what_it_is() -> None:
    assert CASES["sd1-unet-split-einsum-512x768"].title == (
        "Stable Diffusion 1.x, SPLIT_EINSUM, 512x768"
    )
    assert CASES["comfyui-lcm-controlled-unet-original-256x256"].title == (
        "a latent consistency model for ComfyUI, ORIGINAL, 256x256"
    )
    assert CASES["sdxl-text-encoder-2"].options("macOS14") == ProgramOptions(
        text_states=TextStates.PENULTIMATE, target=Target.MACOS14
    )


def test_every_program_of_the_sample_is_certified_so_that_it_needs_no_torch() -> None:
    known = {(item.component, item.title) for item in load().values()}
    cases = [case for case in CASES.values() if case.model == "sample"]
    assert [case.part.program for case in cases if case.is_for_comfyui] == ["unet"] * 2
    assert len(cases) == 7
    assert [certified_targets(case, known) for case in cases] == [["macOS13", "macOS14"]] * 7


def test_a_full_proof_is_certified() -> None:
    certificate = ISSUER.issue(PROVED, "SD 1.x")
    assert certificate is not None
    assert (certificate.key, certificate.lock, certificate.runs) == ("aa", "5f", 2)


@pytest.mark.parametrize(
    "more", [{"passed": False}, {"graph": None}, {"certificate": ORIGIN}, {"sample": "24x16"}]
)
def test_nothing_less_is(more: dict[str, Any]) -> None:
    assert ISSUER.issue(replace(PROVED, **more), "SD 1.x") is None
