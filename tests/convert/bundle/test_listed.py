from __future__ import annotations

import pytest

from sdcoreml.convert.bundle.listed import is_size, why_hidden


@pytest.mark.parametrize("shape", ["[1, 3, 512, 768]", " [1,3,512,768] ", "[ 2 ,3, 8, +8]"])
def test_sizes_that_the_next_mochi_reads(shape: str) -> None:
    assert is_size(shape)


@pytest.mark.parametrize(
    "shape",
    [
        *("", "[]", "[1, 3, 512]", "[1, 3, 512, 768, 1]", "[1, 3, 512, 0]", "[1, 3, 512, -8]"),
        *("1, 3, 512, 768", "(1, 3, 512, 768)", "[1, 3, 512, x]", "[1, 3, , 768]", "[1 3 512 768]"),
        *(f"[1, 3, 8, {1 << 63}]", f"[1, 3, 8, {'9' * 5000}]"),
    ],
)
def test_sizes_that_it_does_not_read(shape: str) -> None:
    assert not is_size(shape)


def test_only_an_encoder_and_a_controlnet_are_asked_for_a_size() -> None:
    def metadata(name: str, shape: object) -> object:
        return [{"inputSchema": [{"name": name, "shape": shape}]}]

    assert why_hidden("Unet", metadata("sample", "")) == ""
    assert why_hidden("VAEEncoder", metadata("x", "[1, 3, 8, 8]")) == ""
    assert why_hidden("VAEEncoder", metadata("x", 3)) == (
        "the shape 3 is not four positive numbers in brackets"
    )
    assert why_hidden("Canny", metadata("controlnet_cond", "[2, 3]")) != ""
    assert len(why_hidden("VAEEncoder", metadata("x", "9" * 5000))) < 200
    assert why_hidden("VAEEncoder", "no metadata") == "", "which is said elsewhere"
