"""The verdicts in the table of parity: for figures, and for programs without a certificate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.programs import DRAWERS
from sdcoreml.convert.proof.record import FigureRecord
from tests.bench.narrow import FULL_UNET, SUBJECTS
from tests.bench.parity_certified import table
from tests.bench.parity_rows import COMPRESSED, FLOAT, RECIPES, head, line, verdicts

FIGURES = {"fp32 mode": 115.0, "fp16 mode": 64.9, "int8": 51.0, "6-bit uniform": 43.0}
COLUMNS = (*FLOAT, *COMPRESSED)


def test_a_figure_is_held_against_its_floor() -> None:
    assert verdicts(FIGURES, FULL_UNET, COLUMNS) == [
        (115.0, "met"),
        (64.9, "MISSED"),
        (None, ""),
        (51.0, "MISSED"),
        (43.0, "met"),
        (None, ""),
    ]


@pytest.mark.parametrize(("psnr", "said"), [(42.4, "MISSED"), (42.6, "met")])
def test_clustering_has_to_be_as_good_as_steps_of_one_size(psnr: float, said: str) -> None:
    row = verdicts({**FIGURES, "6-bit k-means": psnr}, FULL_UNET, COLUMNS)
    assert row[-1] == (psnr, said)


def test_results_that_do_not_differ_at_all_prove_nothing() -> None:
    assert verdicts({"fp32 mode": 999.0}, FULL_UNET, FLOAT)[0] == (999.0, "MISSED")


def test_compression_has_floors_for_unets_alone() -> None:
    vae = replace(FULL_UNET, component="vae_decoder")
    assert [said for _, said in verdicts(FIGURES, vae, COMPRESSED)] == ["", "", ""]


def test_a_row_stands_under_its_head() -> None:
    row = line("SD 1.x, unet", [(115.04, "met"), (None, ""), (64.9, "MISSED")])
    assert row == f"{'SD 1.x, unet':<45}{'115.0 met   ':>15}{'-':>15}{'64.9 MISSED':>15}"
    assert head(FLOAT).splitlines()[1].split() == [">=", "115", ">=", "65", ">=", "120"]


def test_what_certificates_say_is_shown_with_date_and_toolchain() -> None:
    outputs = (
        FigureRecord(output="image", mode="fp32", psnr=140.6),
        FigureRecord(output="image", mode="fp16", psnr=74.8),
        FigureRecord(output="more", mode="fp16", psnr=60.0),
    )
    certificate = Certificate(
        key="k",
        component="vae_decoder",
        title="Stable Diffusion 1.x, 512x512, macOS13",
        outputs=outputs,
        runs=1,
        toolchain="tested",
        lock="l",
        date="2026-11-25",
    )
    lines = {row.split()[0]: row for row in table([certificate])}
    assert lines["sd1-vae-decoder-512x512"].split() == [
        *("sd1-vae-decoder-512x512", "140.6", "met", "60.0", "MISSED"),
        *("runs:", "1,", "in", "tested,", "2026-11-25"),
    ]
    assert lines["sd1-vae-encoder-512x512"].endswith(" not certified")


def test_every_program_there_is_has_a_narrow_subject() -> None:
    assert {subject.component for subject in SUBJECTS} == set(DRAWERS)
    assert len({(it.family, it.component) for it in SUBJECTS}) == len(SUBJECTS)
    assert all(len(it.attentions) == (3 if "net" in it.component else 1) for it in SUBJECTS)
    assert RECIPES.keys() == {column.name for column in COMPRESSED}
