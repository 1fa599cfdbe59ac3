"""What a log says elsewhere of what a cause has to name."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.facts import find_facts
from sdcoreml.doctor.knowledge.lines import Line


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Building wheel for tokenizers (pyproject.toml) ... error", {"built": "tokenizers"}),
        ("  \u00d7 Failed to build `scipy==1.0.0`", {"built": "scipy==1.0.0"}),
        (f"cc -I/t/pip-install-abc1/onnx_{'0123456789abcdef' * 2}/src", {"built": "onnx"}),
        ("error: wheels for some pyproject.toml based projects (av, x)", {"built": "av"}),
        ("\u2570\u2500> sentencepiece", {"built": "sentencepiece"}),
        ("[4/9] c++ numpy/_core/_simd.cpython-314-darwin.so.p/x.o", {"built": "numpy"}),
        ("\u2570\u2500> See above for output.", {}),
        ("ERROR: Failed to build the app", {}),
        ("Building wheels for collected packages: x", {}),
    ],
)
def test_the_package_that_is_built_is_found_where_a_log_names_it(
    text: str, facts: dict[str, str]
) -> None:
    assert find_facts([Line(number=1, text="x"), Line(number=2, text=text)]) == facts


def test_a_cause_names_the_package_that_another_line_names() -> None:
    log = "Building wheel for painter (setup.py) ... error\nerror: no Fortran compiler found\n"
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.cause.startswith("painter has no wheel")
    assert "Fortran compiler" in cause.cause
