from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sdcoreml.convert.proof.compared import differences
from sdcoreml.convert.proof.record import (
    AuditRecord,
    FigureRecord,
    Origin,
    ProgramProof,
    Rounded,
    Sibling,
)

FIGURE = FigureRecord(output="image", mode="fp32", psnr=130.0, max_error=1e-5, floor=115.0)
ROUNDED = Rounded(weights=9, psnr=41.0, typical=43.0, worst="a.weight")
BETTER = replace(ROUNDED, psnr=50.0)
PROOF = ProgramProof(
    component="unet",
    passed=True,
    runs=2,
    graph="5f",
    outputs=(FIGURE,),
    audit=AuditRecord(matched=9, compressed={"6-bit palette": ROUNDED}),
)
ORIGIN = Origin(toolchain="tested", lock="5f", date="2026-11-25")
CERTIFIED = replace(PROOF, runs=0, outputs=(), certificate=ORIGIN)
ISSUED = {"5f": ORIGIN}
LIKE = Sibling(graph="5f", title="Stable Diffusion 1.x, SPLIT_EINSUM, 512x512", origin=ORIGIN)
RELATED = replace(PROOF, sibling=LIKE, sample="128x192")


def whats(said: ProgramProof, found: ProgramProof = PROOF) -> list[str]:
    return [*differences(said, found, ISSUED)]


@pytest.mark.parametrize("said", [PROOF, CERTIFIED])
def test_a_true_record_has_no_difference(said: ProgramProof) -> None:
    assert whats(said) == []


@pytest.mark.parametrize(
    "figure",
    [
        replace(FIGURE, psnr=131.5),
        replace(FIGURE, max_error=2e-5),
    ],
)
def test_another_machine_measures_a_little_else(figure: FigureRecord) -> None:
    assert whats(replace(PROOF, outputs=(figure,))) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"passed": False}, "not one of a unet that passed"),
        ({"graph": "5e"}, "the digest of its graph is 5f, and it says 5e"),
        ({"runs": 4}, "it was run 4 times"),
        ({"outputs": ()}, "figures are of other outputs"),
        ({"outputs": (replace(FIGURE, psnr=140.0),)}, "130.0 dB now, and it says 140.0"),
        ({"outputs": (replace(FIGURE, floor=60.0),)}, "130.0 dB now"),
        ({"outputs": (replace(FIGURE, max_error=1e-9),)}, "130.0 dB now"),
        ({"fidelity": (FIGURE,)}, "figures are of other compressed outputs"),
        ({"own": 120.0}, "how exact its module is"),
        ({"audit": AuditRecord(matched=9)}, "compressed otherwise than it says: 6-bit palette"),
        ({"audit": replace(PROOF.audit, matched=10)}, "not what an audit finds now"),
        (
            {
                "audit": replace(
                    PROOF.audit, compressed={"6-bit palette": replace(ROUNDED, psnr=50)}
                )
            },
            "accuracy of its compressed weights",
        ),
        (
            {
                "audit": replace(
                    PROOF.audit, compressed={"6-bit palette": replace(ROUNDED, psnr=41.06)}
                )
            },
            "accuracy of its compressed weights",
        ),
        ({"unchecked": "no torch"}, "it was not run, and has figures"),
        ({"certificate": ORIGIN}, "it was certified, not run, and has figures"),
    ],
)
def test_what_a_record_says_and_is_not_so(changes: dict[str, Any], what: str) -> None:
    assert any(what in one for one in whats(replace(PROOF, **changes)))


def test_what_was_run_for_a_small_image_is_compared_with_a_run_at_its_own_size() -> None:
    assert whats(RELATED, RELATED) == []
    assert whats(replace(RELATED, outputs=(replace(FIGURE, psnr=139.0),))) == []
    assert whats(replace(RELATED, outputs=(replace(FIGURE, psnr=143.0),))) != []
    assert whats(replace(RELATED, outputs=(replace(FIGURE, psnr=139.0),)), RELATED) != []


@pytest.mark.parametrize("change", [{"date": "2026-11-26"}, {"toolchain": "light"}])
def test_a_sibling_that_nobody_certified(change: dict[str, Any]) -> None:
    said = replace(RELATED, sibling=replace(LIKE, origin=replace(ORIGIN, **change)))
    (what,) = whats(said, RELATED)
    assert what == "the certified graph that it names is none that this version of sdcoreml has"


def test_what_is_certified_itself_was_not_compared_with_another() -> None:
    assert whats(replace(CERTIFIED, sibling=LIKE)) == ["it was certified, not run, and has figures"]


def test_what_is_certified_was_checked() -> None:
    said = replace(CERTIFIED, unchecked="no torch")
    assert whats(said) == ["it was certified, and says that it was not checked"]


def test_a_certificate_that_nobody_issued() -> None:
    said = replace(CERTIFIED, certificate=replace(ORIGIN, date="2026-11-26"))
    assert whats(said) == ["its certificate is none that this version of sdcoreml has"]


@pytest.mark.parametrize(
    ("said", "found", "what"),
    [
        (120.0, 120.0, []),
        (120.0, 123.0, []),
        (120.0, 116.9, ["its module is 116.9 dB from exact, and it says 120.0"]),
        (116.9, 120.0, ["its module is 120.0 dB from exact, and it says 116.9"]),
        (None, 120.0, ["it says otherwise how exact its module is"]),
    ],
)
def test_how_exact_a_module_is(said: float | None, found: float, what: list[str]) -> None:
    assert whats(replace(PROOF, own=said), replace(PROOF, own=found)) == what
