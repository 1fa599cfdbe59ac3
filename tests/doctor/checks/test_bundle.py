from __future__ import annotations

from dataclasses import replace

import pytest

from doctor.facts import Facts
from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import BUNDLE, GB, HEALTHY, SYSTEM, features, program
from tests.doctor.specimens import XL, XL_UNET, bundle, sick


def test_the_summary_of_a_healthy_folder() -> None:
    assert said("BUN001", HEALTHY) == ["ok: 4 programs, split attention"]


def test_packages_are_one_step_before() -> None:
    packages = tuple(replace(one, container=".mlpackage") for one in BUNDLE.programs)
    facts = sick(bundle=replace(BUNDLE, programs=packages))
    assert said("BUN001", facts) == [
        "info: not compiled yet: TextEncoder, Unet, VAEDecoder, VAEEncoder",
        "ok: 4 programs, split attention",
    ]
    (_, command) = remedies("BUN001", facts)
    assert " compile /models/sd15-coreml/TextEncoder.mlpackage /models/sd15-coreml/Unet" in command


def test_an_xl_folder_needs_the_second_text_encoder() -> None:
    assert said("BUN001", bundle(XL_UNET)) == ["error: missing: TextEncoder2"]


def test_a_folder_with_nothing_in_it() -> None:
    assert said("BUN001", sick(bundle=replace(BUNDLE, programs=()))) == [
        "error: no Unet directly in the folder",
        "error: missing: TextEncoder, VAEDecoder",
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("UnetChunk1",), ["error: UnetChunk1 and UnetChunk2 belong together; only one is there"]),
        (("UnetChunk1", "UnetChunk2"), ["warning: Unet and its chunks are both there"]),
        (("ControlledUnetChunk1", "ControlledUnetChunk2"), []),
    ],
)
def test_chunks(names: tuple[str, ...], expected: list[str]) -> None:
    assert said("BUN003", bundle(*(program(name) for name in names))) == expected


@pytest.mark.parametrize(
    ("name", "inputs", "expected"),
    [
        (
            "VAEDecoder",
            {"z": (1, 4, 64, 96)},
            "error: VAEDecoder is for 768x512 images, the UNet for 512x512",
        ),
        (
            "VAEEncoder",
            {"x": (1, 3, 768, 512)},
            "error: VAEEncoder is for 512x768 images, the UNet for 512x512",
        ),
    ],
)
def test_sizes(name: str, inputs: dict[str, tuple[int, ...]], expected: str) -> None:
    assert said("BUN004", bundle(program(name, inputs=features(inputs)))) == [expected]


def test_text_of_another_model() -> None:
    wide = features({"last_hidden_state": (1, 77, 1024)})
    assert said("BUN004", bundle(program("TextEncoder", outputs=wide))) == [
        "error: the text encoder gives 1024 features, the UNet takes 768"
    ]


def test_outputs_whose_shape_is_not_told_are_not_judged() -> None:
    bare = features({"last_hidden_state": ()})
    assert said("BUN004", bundle(program("TextEncoder", outputs=bare))) == []


def test_a_controlnet_folder_is_in_the_way() -> None:
    assert said("BUN005", bundle(controlnet_folder=True)) == [
        "warning: a folder named controlnet lies in the model's folder"
    ]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            program("VAEDecoder", inputs=features({"z": (1,), "y": (1,)})),
            "VAEDecoder: 2 inputs, exactly one is wanted",
        ),
        (
            program("Unet", outputs=features({"a": (1,), "b": (1,)})),
            "Unet: 2 outputs, exactly one is wanted",
        ),
        (
            program("Unet", inputs=features({"sample": (2, 4, 64, 64)})),
            "Unet: no input named timestep, encoder_hidden_states",
        ),
        (
            program("TextEncoder", outputs=features({"x": (1,)})),
            "TextEncoder: no output named last_hidden_state",
        ),
    ],
)
def test_features(changed: object, expected: str) -> None:
    assert said("BUN006", bundle(changed)) == [f"error: {expected}"]  # type: ignore[arg-type]


def test_xl_text_encoders_have_other_outputs() -> None:
    outputs = features({"hidden_embeds": (1, 77, 768), "pooled_outputs": (1, 768)})
    second = program("TextEncoder2", inputs=features({"input_ids": (1, 77)}), outputs=outputs)
    first = replace(second, name="TextEncoder")
    assert said("BUN006", bundle(XL_UNET, first, second)) == []


def test_two_kinds_of_attention() -> None:
    assert said("BUN007", bundle(program("ControlledUnet", attention="original"))) == [
        "error: UNets of both kinds of attention are in the folder"
    ]


@pytest.mark.parametrize(
    ("specification", "macos", "expected"),
    [
        (7, "13.0", []),
        (8, "13.6", ["error: specification 8 needs macOS 14; this is 13.6"]),
        (9, "15.0", []),
        (10, "15.6", ["error: specification 10 needs macOS 26; this is 15.6"]),
    ],
)
def test_specifications(specification: int, macos: str, expected: list[str]) -> None:
    facts = replace(
        bundle(program("Unet", specification=specification)),
        system=replace(SYSTEM, version=macos),
    )
    assert said("BUN009", facts) == expected
    linux = replace(facts, system=replace(SYSTEM, name="Linux", version="6.1"))
    assert said("BUN009", linux) == [], "nothing is loaded there"


def test_only_split_attention_is_for_the_neural_engine() -> None:
    big = program("Unet", weights=3 * GB)
    assert said("BUN011", bundle(big)) == ["info: Unet has 3.0 GB of weights for a Neural Engine"]
    assert said("BUN011", bundle(replace(big, attention="original"))) == []


@pytest.mark.parametrize(
    ("tools", "is_old"),
    [
        ({"coremltools": "7.2", "torch": "2.2.0"}, True),
        ({"coremltools": "9.0", "torch": "2.2.0"}, False),
        ({"coremltools": "7.2", "torch": "2.4.1"}, False),
        ({"coremltools": "7.2"}, False),
        ({}, False),
    ],
)
def test_text_encoders_that_crash(tools: dict[str, str], is_old: bool) -> None:  # noqa: FBT001
    assert bool(said("BUN012", bundle(program("TextEncoder", tools=tools)))) is is_old


def test_half_precision_is_bad_for_xl_alone() -> None:
    half = program("VAEDecoder", precision="Float16")
    assert said("BUN013", bundle(half)) == []
    assert said("BUN013", bundle(half, XL_UNET)) == [
        "warning: VAEDecoder of an SDXL model computes in Float16"
    ]


def xl(**shapes: tuple[int, ...]) -> Facts:
    return bundle(program("Unet", inputs=features({**XL, **shapes})))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (xl(), []),
        (xl(time_ids=(2, 5)), []),
        (xl(time_ids=(12,)), []),
        (xl(time_ids=(2, 4)), ["error: time_ids has 4 numbers"]),
        (xl(text_embeds=(2, 768)), ["error: text_embeds is 768 wide, not 1280"]),
    ],
)
def test_inputs_of_xl(facts: Facts, expected: list[str]) -> None:
    assert said("BUN016", facts) == expected


def test_spelling() -> None:
    assert said("BUN015", bundle(program("ControlledUNet"), program("vaeencoder"))) == [
        "error: ControlledUNet must be spelt ControlledUnet",
        "error: vaeencoder must be spelt VAEEncoder",
    ]
    assert said("BUN015", bundle(program("MyControlNet"))) == []
