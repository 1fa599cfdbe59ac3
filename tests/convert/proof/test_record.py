"""A proof as JSON: what does not apply is left out, and what is said is read again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.convert.proof.record import (
    AuditRecord,
    FigureRecord,
    Origin,
    ProgramProof,
    Rounded,
    Sibling,
    parse_proof,
)
from sdcoreml.ground.codec import DecodeError
from tests.convert.stand_ins import proof

FIGURE = FigureRecord(output="y", mode="fp32", psnr=131.25, max_error=None, floor=115.0)
ORIGIN = Origin(toolchain="tested", lock="5f", date="2026-11-24")


def test_what_does_not_apply_is_left_out() -> None:
    said = proof("unet").as_json()
    assert said.keys() == {"component", "passed", "runs", "graph", "outputs", "audit"}
    assert (said["graph"], said["outputs"]) == (None, [])
    assert parse_proof(said) == proof("unet")


@pytest.mark.parametrize(
    "one",
    [
        proof("unet", fidelity=(FIGURE,)),
        proof("unet", certificate=ORIGIN),
        proof("unet", sample="64x64"),
        proof("unet", own=0.0),
        proof("unet", unchecked="no torch"),
        proof("unet", sibling=Sibling(graph="5e", title="", origin=replace(ORIGIN, runs=2))),
        proof("unet", strange="another"),
    ],
)
def test_what_applies_is_read_again(one: ProgramProof) -> None:
    said = one.as_json()
    assert len(said) == 7
    assert parse_proof(said) == one


def test_figures_of_a_certificate_were_not_measured_with_this_model() -> None:
    assert proof("unet", outputs=(FIGURE,)).measured == (FIGURE,)
    assert proof("unet", outputs=(FIGURE,), certificate=ORIGIN).measured == ()


def test_a_manifest_of_an_older_version_says_less_of_its_weights() -> None:
    audit = {"matched": 3, "compressed": {"6-bit palette": {"weights": 9, "psnr": 41.25}}}
    said = {**proof("unet").as_json(), "audit": audit}
    assert parse_proof(said).audit == AuditRecord(
        matched=3,
        compressed={"6-bit palette": Rounded(weights=9, psnr=41.25, typical=0.0, worst="")},
    )


def test_what_is_no_proof_is_told_with_its_place() -> None:
    with pytest.raises(DecodeError, match="checked"):
        parse_proof({**proof("unet").as_json(), "runs": "two"}, "checked")
    with pytest.raises(DecodeError, match="proof"):
        parse_proof([])
