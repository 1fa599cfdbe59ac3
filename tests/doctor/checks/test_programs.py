from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.core.engine import Selection, examine
from sdcoreml.doctor.core.facts import Facts
from sdcoreml.doctor.core.subjects import Bundle, PortState, ProgramState
from tests.doctor.checks.findings import said
from tests.doctor.healthy import GB, HEALTHY, SYSTEM, features, program
from tests.doctor.specimens import XL, XL_UNET, bundle


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


def test_text_of_another_length() -> None:
    long = features({"last_hidden_state": (1, 154, 768)})
    assert said("BUN004", bundle(program("TextEncoder", outputs=long))) == [
        "error: the text encoder gives 154 tokens, the UNet takes 77"
    ]


def test_outputs_whose_shape_is_not_told_are_not_judged() -> None:
    bare = features({"last_hidden_state": ()})
    assert said("BUN004", bundle(program("TextEncoder", outputs=bare))) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            program("VAEDecoder", inputs=features({"z": (1,), "y": (1,)})),
            "VAEDecoder: 2 inputs, exactly one is expected",
        ),
        (
            program("Unet", outputs=features({"a": (1,), "b": (1,)})),
            "Unet: 2 outputs, exactly one is expected",
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


def test_an_encoder_of_the_right_size_is_eight_times_the_latent() -> None:
    facts = bundle(
        program("Unet", inputs=features({"sample": (2, 4, 96, 64), "timestep": (2,)})),
        program("VAEDecoder", inputs=features({"z": (1, 4, 96, 64)})),
        program("VAEEncoder", inputs=features({"x": (1, 3, 768, 512)})),
    )
    assert said("BUN004", facts) == []


def test_without_a_unet_there_is_no_size_to_agree_with() -> None:
    assert said("BUN004", bundle(without="Unet")) == []


def test_xl_s_text_is_not_measured_against_one_encoder() -> None:
    wide = features({"last_hidden_state": (1, 77, 1024)})
    assert said("BUN004", bundle(XL_UNET, program("TextEncoder", outputs=wide))) == [
        "error: VAEDecoder is for 512x512 images, the UNet for 1024x1024",
        "error: VAEEncoder is for 512x512 images, the UNet for 1024x1024",
    ]


def test_a_program_that_cannot_be_read_is_not_accused_of_its_features() -> None:
    broken = program("VAEDecoder", inputs=features({"a": (1,), "b": (1,)}), fault="no metadata")
    assert said("BUN006", bundle(broken)) == []
    assert said("BUN007", bundle(broken)) == ["error: VAEDecoder.mlmodelc: no metadata"]
    assert said("BUN006", bundle(program("VAEDecoder", inputs=(), outputs=()))) == []


def test_attention_of_other_programs_is_no_contradiction() -> None:
    assert said("BUN007", HEALTHY) == []
    assert said("BUN007", bundle(program("ControlledUnet", attention=""))) == []


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("13.6", ["error: this is an SDXL model, and macOS 13.6 is too old for it"]),
        ("14.0", []),
        ("26.1", []),
        ("", []),
    ],
)
def test_macos_for_xl(version: str, expected: list[str]) -> None:
    facts = replace(bundle(XL_UNET), system=replace(SYSTEM, version=version))
    assert said("BUN010", facts) == expected
    assert said("BUN010", replace(facts, system=replace(SYSTEM, name="Linux"))) == []
    assert said("BUN010", replace(HEALTHY, system=replace(SYSTEM, version="13.6"))) == []


def test_the_limit_of_the_neural_engine_is_two_gigabytes() -> None:
    assert said("BUN011", bundle(program("Unet", weights=2 * GB))) == []
    assert said("BUN011", bundle(program("Unet", weights=2 * GB + 1))) != []


def test_the_tools_that_traced_a_text_encoder_are_named() -> None:
    tools = {"coremltools": "7.2", "torch": "2.2.0"}
    assert said("BUN012", bundle(program("TextEncoder2", tools=tools))) == [
        "warning: TextEncoder2 was traced with torch 2.2.0 by coremltools 7.2"
    ]
    assert said("BUN012", bundle(program("Unet", tools=tools))) == []


@pytest.mark.parametrize("version", ["unknown", "", "main@abc"])
def test_a_tool_that_does_not_know_its_version_is_not_accused(version: str) -> None:
    tools = {"coremltools": "7.2", "torch": version}
    assert said("BUN012", bundle(program("TextEncoder", tools=tools))) == []


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 512, 512, 3), []),
        ((1, 768, 512, 3), ["1x768x512x3"]),
        ((1, 224, 224), ["1x224x224"]),
        ((1,), ["1"]),
    ],
)
def test_pictures_for_the_safety_checker(shape: tuple[int, ...], expected: list[str]) -> None:
    checker = program("SafetyChecker", inputs=features({"images": shape}), outputs=())
    assert said("BUN017", bundle(checker)) == [
        f"error: the safety checker takes images of {words}, not 1x512x512x3" for words in expected
    ]


def test_only_a_controlnet_s_outputs_are_read_without_conversion() -> None:
    halves = tuple(PortState(name=f"o{n}", shape=(1,), dtype="float16") for n in range(13))
    net = program("Canny", inputs=features({"controlnet_cond": (2, 3, 512, 512)}), outputs=halves)
    assert said("BUN018", bundle(net)) == ["error: Canny: 13 outputs are Float16"]
    whole = tuple(replace(one, dtype="float32") for one in halves)
    assert said("BUN018", bundle(replace(net, outputs=whole))) == []
    assert said("BUN018", bundle(program("Unet", outputs=halves[:1]))) == []


NAMES = (
    *("Unet", "UnetChunk1", "UnetChunk2", "ControlledUnet", "TextEncoder", "TextEncoder2"),
    *("VAEDecoder", "VAEEncoder", "SafetyChecker", "Canny", "vaedecoder"),
)
FEATURES = (
    *("sample", "timestep", "encoder_hidden_states", "time_ids", "text_embeds", "images"),
    *("controlnet_cond", "z", "last_hidden_state"),
)
some_features = st.lists(
    st.builds(
        PortState,
        name=st.sampled_from(FEATURES),
        shape=st.lists(st.sampled_from([0, 1, 4, 5, 64, 512]), max_size=5).map(tuple),
        dtype=st.sampled_from(["float16", "float32", ""]),
    ),
    max_size=4,
).map(tuple)
some_programs = st.builds(
    ProgramState,
    name=st.sampled_from(NAMES),
    container=st.sampled_from([".mlmodelc", ".mlpackage"]),
    inputs=some_features,
    outputs=some_features,
    attention=st.sampled_from(["", "split", "original"]),
    specification=st.integers(-1, 12),
    precision=st.sampled_from(["", "Float16"]),
    weights=st.integers(0, 10**11),
    tools=st.dictionaries(
        st.sampled_from(["coremltools", "torch"]),
        st.sampled_from(["7.2", "8.0b1", "unknown", "", "2.2.0+cpu"]),
    ),
)
bundles = st.builds(
    Bundle, path=st.just("/m"), programs=st.lists(some_programs, max_size=6).map(tuple)
)


@given(bundles, st.sampled_from(["13.0", "15.1", ""]))
def test_no_folder_however_odd_breaks_a_check(found: Bundle, macos: str) -> None:
    facts = replace(HEALTHY, bundle=found, system=replace(SYSTEM, version=macos))
    report = examine(facts, CHECKS, Selection(select=("bundle",)))
    assert report.count(Status.UNKNOWN) == 0


@pytest.mark.parametrize(
    ("side", "names"),
    [
        ("inputs", ("TextEncoder", "TextEncoder2", "VAEDecoder", "VAEEncoder")),
        ("outputs", ("Unet", "UnetChunk2", "ControlledUnet", "VAEDecoder", "VAEEncoder")),
    ],
)
def test_what_apps_do_not_select_by_name_is_alone(side: str, names: tuple[str, ...]) -> None:
    two = features({"a": (1, 4, 64, 64), "b": (1, 4, 64, 64)})
    for name in names:
        found = said("BUN006", bundle(program(name, **{side: two})))
        assert f"error: {name}: 2 {side}, exactly one is expected" in found
