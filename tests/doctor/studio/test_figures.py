from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.jobs.manifest import parse_manifest, write_manifest
from sdcoreml.doctor.studio.figures import figures, figures_of
from tests.convert.jobs.test_manifest import CHECKED, FIGURE, SHA, of_program

HALF = {**FIGURE, "mode": "fp16", "psnr": 71.62}
LESS = {**FIGURE, "mode": "fp16", "psnr": 70.04}
AUDIT = CHECKED["audit"]
FILES = {"VAEDecoder.mlmodelc/model.mil": {"size": 15_000_000, "sha256": SHA}}
ISSUED = {"toolchain": "tested", "lock": "5f", "date": "2026-11-25", "outputs": [FIGURE, LESS]}
NEAR = {"say": "figure.in", "likeness": "70.0 dB", "mode": "fp16"}


def said(**checked: Any) -> dict[str, Any]:
    program = of_program(checked={**CHECKED, **checked}, files=FILES)
    found = figures(parse_manifest(program))
    return {f"{name['say']}": value for name, value in found if not isinstance(name, str)}


def test_the_worst_output_in_half_precision_counts() -> None:
    found = said(outputs=[FIGURE, HALF, LESS], audit={**AUDIT, "compressed": {}})
    assert found == {
        "figure.model": NEAR,
        "figure.weights": {"say": "figure.weights.all"},
        "figure.disk": {"say": "figure.bytes", "bytes": 15_000_000},
    }


def test_a_certified_graph_has_the_figures_of_its_certificate() -> None:
    found = said(outputs=[], certificate=ISSUED)
    assert found["figure.model"] == NEAR


def test_what_was_compressed_says_what_it_keeps() -> None:
    found = said(fidelity=[{**FIGURE, "psnr": 41.26}])
    assert found["figure.kept"] == "41.3 dB"
    assert found["figure.weights"] == {"say": "figure.weights.fewer", "count": 9}


@pytest.mark.parametrize("fault", ["missing", "misplaced", "unexplained"])
def test_weights_that_are_not_the_model_s_are_told(fault: str) -> None:
    found = said(audit={**AUDIT, fault: ["a.weight"]})
    assert found["figure.weights"] == {"say": "figure.weights.lost"}


def test_a_folder_that_did_not_pass_has_one_figure() -> None:
    assert said(passed=False) == {"figure.model": {"say": "figure.different"}}


def test_without_a_manifest_there_are_none(tmp_path: Path) -> None:
    assert figures_of(tmp_path) == []


def test_those_of_a_folder_are_those_of_its_manifest(tmp_path: Path) -> None:
    manifest = parse_manifest(of_program(checked={**CHECKED, "outputs": [HALF]}, files=FILES))
    write_manifest(manifest, tmp_path)
    assert figures_of(tmp_path) == [list(one) for one in figures(manifest)]
    assert figures_of(tmp_path)[0] == [
        {"say": "figure.model"},
        {"say": "figure.in", "likeness": "71.6 dB", "mode": "fp16"},
    ]


def test_what_nobody_audited_is_not_called_the_model_s() -> None:
    nothing = {**AUDIT, "compressed": {}, "matched": 0}
    assert said(audit=nothing)["figure.weights"] == {"say": "figure.weights.unknown"}
