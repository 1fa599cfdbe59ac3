from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.jobs.manifest import (
    CompiledRecord,
    MadeBy,
    Manifest,
    ProgramEntry,
    SourceRecord,
)
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.jobs.unproven import unproven_claims
from sdcoreml.convert.models.fetched import FetchedFrom
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from tests.convert.stand_ins import MADE_IN, proof
from tests.envs.wheels import toolchain

ENTRY = ProgramEntry(
    component="unet",
    source="unet",
    options=ProgramOptions(),
    halves=False,
    checked=proof("unet"),
    compiled=CompiledRecord(),
    files={},
)
MANIFEST = Manifest(
    model=SourceRecord(name="cat", family="Stable Diffusion 1.x"),
    inputs={},
    options=Options(attention=Attention.SPLIT_EINSUM, height=16, width=16),
    toolchain=replace(MADE_IN, target="linux-riscv64"),
    programs={"Unet": ENTRY},
)
SOURCE = FetchedFrom(name="a/cat", revision="5f", licence="mit")


def test_what_the_model_proves_needs_no_note() -> None:
    assert [*unproven_claims(MANIFEST)] == []


def test_of_the_current_folder_no_toolchain_vouches_for_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toolchains").mkdir()
    toolchain(tmp_path / "toolchains/mine", {"one==1.0": "0" * 64}, name="mine")
    monkeypatch.chdir(tmp_path)
    made = replace(MANIFEST.toolchain, name="mine")
    assert [*unproven_claims(replace(MANIFEST, toolchain=made))] == [
        "its toolchain mine is not one of sdcoreml's: its lock was not compared"
    ]


@pytest.mark.parametrize(
    ("manifest", "note"),
    [
        (
            replace(MANIFEST, model=replace(MANIFEST.model, fetched=SOURCE)),
            (
                "where its model was fetched from, a/cat at 5f, and the licence, mit, are only"
                " said: nothing proves them"
            ),
        ),
        (
            replace(MANIFEST, programs={"Unet": replace(ENTRY, kept=True)}),
            (
                "Unet: said to be kept from an earlier result, so the folder's options were not"
                " compared with its own"
            ),
        ),
        (
            replace(
                MANIFEST,
                programs={
                    "Unet": replace(ENTRY, made_by=MadeBy(repository="https://a/b", commit="5f"))
                },
            ),
            (
                "Unet: said to be written by another converter, so the form of its files was not"
                " compared with ours"
            ),
        ),
    ],
)
def test_what_is_only_said_has_a_note(manifest: Manifest, note: str) -> None:
    assert [*unproven_claims(manifest)] == [note]
