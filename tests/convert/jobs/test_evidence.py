"""What is said of a program's weights counts all that it has."""

from __future__ import annotations

from sdcoreml.convert.jobs.evidence import evidence
from sdcoreml.convert.proof.record import AuditRecord, ProgramProof, Rounded


def test_weights_are_counted_whether_equal_compressed_or_unexplained() -> None:
    audit = AuditRecord(
        matched=5,
        unexplained=("x", "y"),
        compressed={"6-bit palettes": Rounded(weights=3, psnr=40.0, typical=60.0, worst="conv")},
    )
    proof = ProgramProof(
        component="unet",
        passed=False,
        runs=0,
        graph=None,
        outputs=(),
        audit=audit,
        unchecked="it was not asked for",
    )
    assert evidence(proof) == (
        "5 of 10 weights equal, 3 in 6-bit palettes, "
        "off by 0.1 % typically, 1 % at worst (conv) of their layer's range; "
        "not run: it was not asked for"
    )
