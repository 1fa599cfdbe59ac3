from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.jobs.manifest import CompiledRecord, ProgramEntry
from sdcoreml.convert.jobs.stated import false_options
from sdcoreml.convert.programs.options import Attention, ProgramOptions, Target
from tests.convert.stand_ins import proof

ENTRY = ProgramEntry(
    component="unet",
    source="unet",
    options=ProgramOptions(height=64, width=64, attention=Attention.SPLIT_EINSUM),
    halves=False,
    checked=proof("unet"),
    compiled=CompiledRecord(),
    files={},
)
CERTIFICATE = Certificate(
    key="5f",
    component="unet",
    title="Stable Diffusion 1.x",
    outputs=(),
    runs=2,
    toolchain="tested",
    lock="5f",
    date="2026-11-25",
    options={
        "attention": "SPLIT_EINSUM",
        "batch": 2,
        "clip_skip": 1,
        "height": 64,
        "target": "macOS13",
        "width": 64,
    },
)


def said(component: str, **options: object) -> list[str]:
    changed = replace(ENTRY.options, **options)  # type: ignore[arg-type]
    return [*false_options(replace(ENTRY, component=component, options=changed), CERTIFICATE)]


def test_what_is_certified_is_stated() -> None:
    assert [*false_options(ENTRY, CERTIFICATE)] == []


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"attention": Attention.ORIGINAL}, "attention SPLIT_EINSUM, and it says ORIGINAL"),
        ({"height": 72}, "height 64, and it says 72"),
        ({"width": 72}, "width 64, and it says 72"),
        ({"batch": 1}, "batch 2, and it says 1"),
        ({"tokens": 75}, "tokens 77, and it says 75"),
        ({"target": Target.MACOS14}, "target macOS13, and it says macOS14"),
    ],
)
def test_a_unet_is_called_what_it_is_not(options: dict[str, object], what: str) -> None:
    assert said("unet", **options) == [f"its graph is certified with {what}"]


def test_what_does_not_decide_its_graph_is_not_compared() -> None:
    assert said("text_encoder", attention=Attention.ORIGINAL, batch=1, height=72) == []
    assert said("vae_decoder", attention=Attention.ORIGINAL, batch=1) == []
    assert said("unet", attention=Attention.SPLIT_EINSUM_V2) == []


def test_a_certificate_that_does_not_say_its_options_contradicts_none() -> None:
    silent = replace(CERTIFICATE, options={})
    assert [*false_options(replace(ENTRY, options=ProgramOptions(height=1)), silent)] == []
