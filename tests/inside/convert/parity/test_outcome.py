"""The result of a check, as text and as the manifest records it."""

from __future__ import annotations

import json
from dataclasses import replace

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.parity.figures import Figures
from sdcoreml.convert.parity.outcome import Parity, as_foreign
from sdcoreml.convert.proof.audit import Audit

CLEAN = Audit(sources={"a": ("a",)}, extras={"z": "zeros"}, elements=3)
GOOD = Figures(output="y", mode=Mode.FP32, psnr=120.004, max_error=1.2345e-6, floor=115)
LOW = Figures(output="y", mode=Mode.FP16, psnr=40.0, max_error=0.25, floor=65)


def outcome(*figures: Figures, audit: Audit = CLEAN) -> Parity:
    return Parity(component="unet", package="Unet.mlpackage", figures=figures, audit=audit, runs=2)


def test_an_outcome_passes_when_weights_and_figures_do() -> None:
    assert outcome(GOOD).passed
    assert not outcome(GOOD, LOW).passed
    assert not outcome(GOOD, audit=replace(CLEAN, missing=("b.weight",))).passed


def test_a_complaint_says_everything_in_one_line() -> None:
    audit = replace(CLEAN, unexplained=("k",), missing=("a.weight", "b.weight"))
    assert outcome(GOOD, LOW, audit=audit).complaint() == (
        "Unet.mlpackage: does not compute what its unet computes: 1 weights equal no tensor of the"
        " checkpoint: k; 2 tensors are not in the program: a.weight, b.weight; y in fp16 mode:"
        " 40.0 dB, at least 65 dB needed (largest error 0.25); do not use it, report it with its"
        " config.json"
    )


def test_where_only_half_precision_falls_short_the_complaint_says_what_helps() -> None:
    assert outcome(GOOD, LOW).complaint() == (
        "Unet.mlpackage: does not compute what its unet computes: y in fp16 mode: 40.0 dB, at least"
        " 65 dB needed (largest error 0.25); its weights need a higher precision: convert with"
        " --precision unet=fp32"
    )
    assert "--precision" not in outcome(LOW).complaint()


def test_a_small_picture_is_to_blame_where_its_norms_have_next_to_nothing_to_go_by() -> None:
    small = replace(outcome(GOOD, replace(LOW, floor=61.8555)), normed=2)
    assert small.complaint() == (
        "Unet.mlpackage: does not compute what its unet computes: y in fp16 mode: 40.0 dB, at least"
        " 61.9 dB needed (largest error 0.25); at this size a norm of its smallest map has"
        " only 2 numbers, which amplifies rounding errors: choose a larger --size, or convert with"
        " --precision unet=fp32"
    )
    assert "its weights need a higher precision" in replace(small, normed=8).complaint()


def test_what_compression_costs_is_not_called_a_wrong_program() -> None:
    lost = replace(outcome(GOOD), fidelity=(replace(LOW, mode=Mode.FP32, psnr=9.2, floor=10.0),))
    assert lost.complaint() == (
        "Unet.mlpackage: does not compute what its unet computes: y with compressed weights:"
        " 9.2 dB, at least 10 dB needed (largest error 0.25); compress it less: more --bits, or a"
        " recipe that gives its layers more"
    )


def test_an_outcome_as_the_manifest_has_it() -> None:
    assert json.loads(json.dumps(outcome(GOOD).proof().as_json())) == {
        "component": "unet",
        "passed": True,
        "runs": 2,
        "graph": None,
        "outputs": [
            {"output": "y", "mode": "fp32", "psnr": 120.0, "max_error": 1.23e-06, "floor": 115}
        ],
        "audit": {
            "matched": 1,
            "elements": 3,
            "extras": {"z": "zeros"},
            "compressed": {},
            "anonymous": 0,
            "misplaced": [],
            "unexplained": [],
            "missing": [],
        },
    }


BIAS = "down_blocks.0.attentions.0.transformer_blocks.0.norm1.bias"


def test_what_another_converter_wrote_is_asked_for_its_own_precision() -> None:
    pooled = replace(LOW, output="pooled_outputs", psnr=5.0)
    assert as_foreign(outcome(GOOD, LOW, pooled)).passed
    failing = as_foreign(outcome(GOOD, replace(LOW, psnr=34.0)))
    assert failing.faults() == (
        "y in fp16 mode: 34.0 dB, at least 35 dB needed (largest error 0.25)",
    )
    assert failing.complaint().endswith("; do not use it, let sdcoreml convert the model")


def test_a_bias_that_it_divides_by_its_weight_is_run_and_no_other_weight_may_differ() -> None:
    rewritten = replace(CLEAN, unexplained=("beta", "table"), missing=(BIAS,))
    assert as_foreign(outcome(GOOD, audit=rewritten)).passed
    assert as_foreign(outcome(GOOD, audit=rewritten)).proof().audit.missing == (BIAS,)
    position = "text_model.embeddings.position_embedding.weight"
    compressed = replace(CLEAN, unexplained=("positions", "mask"), missing=(position,))
    assert as_foreign(outcome(GOOD, audit=compressed)).passed
    more = replace(rewritten, unexplained=("beta", "table", "another"))
    assert not as_foreign(outcome(GOOD, audit=more)).passed
    other = replace(CLEAN, unexplained=("k",), missing=("conv_in.weight",))
    assert not as_foreign(outcome(GOOD, audit=other)).passed
