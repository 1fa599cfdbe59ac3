from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.parts import compare_parts, find_lacking


@pytest.mark.parametrize(
    ("wanted", "given", "lacking", "why"),
    [
        (
            "{'vae', 'unet', 'safety_checker'}",
            "{'vae', 'unet'}",
            " (safety_checker)",
            "safety checker",
        ),
        (
            "{'unet', 'tokenizer', 'text_encoder', 'text_encoder_2'}",
            "{'unet', 'text_encoder_2'}",
            " (tokenizer, text_encoder)",
            "refiner",
        ),
        (
            "{'unet', 'text_encoder_2', 'tokenizer_2'}",
            "{'unet'}",
            " (text_encoder_2, tokenizer_2)",
            "one text encoder",
        ),
        ("{'unet', 'controlnet'}", "{'unet'}", " (controlnet)", "ControlNet"),
        ("{'unet', 'oven'}", "set()", " (unet, oven)", ""),
        ("{'unet'}", "{'unet'}", "", ""),
    ],
)
def test_what_a_pipeline_lacks_says_why(wanted: str, given: str, lacking: str, why: str) -> None:
    told = find_lacking({"wanted_parts": wanted, "given_parts": given})
    assert told.get("lacking", "") == lacking
    assert why in told.get("why", "")
    assert bool(why) is ("why" in told)


@pytest.mark.parametrize(
    ("wanted", "given", "said"),
    [
        ("{'unet'}", "{'unet', 'ink'}", "does not take ink"),
        ("{'unet', 'ink'}", "{'unet'}", "takes ink and does not register these"),
        ("{'unet', 'ink'}", "{'unet', 'oil'}", ""),
        ("{'unet'}", "{'unet'}", ""),
    ],
)
def test_what_a_class_takes_is_compared_with_what_it_registers(
    wanted: str, given: str, said: str
) -> None:
    told = compare_parts({"wanted_parts": wanted, "given_parts": given})
    assert told.get("parts", "").startswith(said)
    assert bool(said) is bool(told)
