"""The values of options: what is taken at its ends, and what is said of all else."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.convert.programs.options import Precision, Target
from sdcoreml.doctor.commands.convert_values import (
    LARGEST,
    attention_name,
    converter,
    folder_name,
    image_size,
    lora,
    name_set,
    positive_int,
    positive_number,
    precision,
    target,
    whole_number,
)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (converter, "sdcoreml", "sdcoreml"),
        (converter, "upstream", "upstream"),
        (attention_name, "SPLIT_EINSUM_V2", "split-einsum-v2"),
        (positive_int, "1", 1),
        (whole_number, "0", 0),
        (whole_number, "12", 12),
        (image_size, "8x16", (8, 16)),
        (image_size, "512X768", (512, 768)),
        (image_size, f"{LARGEST}x8", (LARGEST, 8)),
        (name_set, "unet, vae,,", frozenset({"unet", "vae"})),
        (name_set, "", frozenset()),
        (folder_name, "a cat", "a cat"),
        (folder_name, "cat.1", "cat.1"),
        (precision, "fp32", ("all", Precision.FP32)),
        (precision, "vae=fp16", ("vae", Precision.FP16)),
        (positive_number, "0.5", 0.5),
        (positive_number, "1e-9", 1e-9),
        (target, "macOS14", Target.MACOS14),
        (target, "iOS17", Target.MACOS14),
    ],
)
def test_a_value_is_read(parse: Callable[[str], object], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (
            converter,
            "conda",
            (
                "'conda' is not a converter (sdcoreml or upstream); for an environment built on it"
                " set BACKEND=conda"
            ),
        ),
        (converter, "apple", "'apple' is not a converter; choose sdcoreml or upstream"),
        (positive_int, "0", "'0' is not a whole number above 0"),
        (positive_int, "-1", "'-1' is not a whole number above 0"),
        (positive_int, "1.0", "'1.0' is not a whole number above 0"),
        (whole_number, "-1", "'-1' is not a whole number of 0 or more"),
        *(
            (image_size, text, f"{text!r} is not WIDTHxHEIGHT in multiples of 8, as 512x768")
            for text in ("", "8", "8x", "x8", "0x8", "8x0", "12x8", "8x12", "8x8x8", "-8x8", "ax8")
        ),
        *(
            (
                image_size,
                text,
                f"{text} is too large for any app; choose at most {LARGEST} pixels a side",
            )
            for text in (f"{LARGEST + 8}x8", f"8x{LARGEST + 8}")
        ),
        *(
            (
                folder_name,
                text,
                f"{text!r} is not a name for a folder; choose one without / and :, as cat",
            )
            for text in ("", " ", ".cat", "a/b", "a\\b", "a:b", "a\0b")
        ),
        (precision, "fp8", "'fp8' is not fp16 or fp32, nor NAME=fp32"),
        (precision, "vae=", "'vae=' is not fp16 or fp32, nor NAME=fp32"),
        *(
            (positive_number, text, f"{text!r} is not a number above 0")
            for text in ("0", "-1", "inf", "nan", "one", "")
        ),
        (target, "macOS9", f"'macOS9' is not one of {', '.join(Target.names())}"),
    ],
)
def test_anything_else_is_refused_in_words(
    parse: Callable[[str], object], text: str, said: str
) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        parse(text)
    assert str(caught.value) == said


def test_a_lora_may_have_a_strength() -> None:
    found = lora("big/cat.safetensors:0.5")
    assert (found.path, found.scale) == (Path("big/cat.safetensors"), 0.5)
    assert lora("cat.safetensors").scale == 1.0
    with pytest.raises(argparse.ArgumentTypeError):
        lora("cat.safetensors:much")
