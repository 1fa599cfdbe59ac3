from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.noise import is_noise


@pytest.mark.parametrize(
    "text",
    [
        "[notice] A new release of pip is available: 23.0.1 -> 24.2",
        "note: This error originates from a subprocess, and is likely not a problem with pip.",
        "hint: See above for details.",
        "make: *** [Makefile:136: all] Error 2",
        "make[1]: Leaving directory '/x'",
        "      [end of output]",
        "  | exit code: 1",
        "app exited with code 1",
        "##[error]Process completed with exit code 1.",
        "Press any key to continue . . .",
        "** BUILD FAILED **",
        "Traceback (most recent call last):",
        '  File "/x.py", line 3, in <module>',
        "    at Module._load (node:internal/modules/cjs/loader:922:27) {",
        "At line:1 char:1",
        "    + CategoryInfo          : SecurityError: (:) []",
        " 45%|####      | 9/20 [00:05<00:20,  1.30s/it]",
        "=================",
        "me@mac sd % pip install torch",
        "(sd) me@mac sd % ",
        "$",
        "C:\\sd>",
    ],
)
def test_what_never_says_why_is_noise(text: str) -> None:
    assert is_noise(text)


@pytest.mark.parametrize(
    "text",
    [
        "error: externally-managed-environment",
        "make: cmake: No such file or directory",
        "ValueError: 45% is too much",
        "File not found: x.bin",
        "nothing to draw with",
        "zsh: command not found: conda",
    ],
)
def test_what_says_why_is_no_noise(text: str) -> None:
    assert not is_noise(text)
