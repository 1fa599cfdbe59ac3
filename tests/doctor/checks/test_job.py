from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.core.facts import Goal
from sdcoreml.doctor.core.subjects import Output
from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import HEALTHY, MODEL, part
from tests.doctor.specimens import model, sick


def test_a_refused_family_is_said_once_and_not_config_by_config() -> None:
    facts = model(part("unet", refusal="unet: in_channels=9"), refusal="this is X", remedy="take Y")
    assert said("MOD009", facts) == ["error: this is X"]
    assert remedies("MOD009", facts) == ["take Y"]
    assert said("MOD010", facts) == []


def test_variants() -> None:
    assert said("MOD012", model(part("unet", variants=("", "fp16")))) == [
        "warning: fp16 weights in unet, none in text_encoder, vae"
    ]
    everywhere = [part(name, variants=("fp16",)) for name in ("unet", "vae", "text_encoder")]
    assert said("MOD012", model(*everywhere)) == []


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (0, 0, []),
        (512, 768, []),
        (500, 512, ["error: not a multiple of 64: width 500"]),
        (500, 500, ["error: not a multiple of 64: width 500, height 500"]),
    ],
)
def test_sizes(width: int, height: int, expected: list[str]) -> None:
    assert said("MOD014", sick(goal=Goal(width=width, height=height))) == expected


def test_a_unet_of_three_levels_takes_half_the_step() -> None:
    facts = replace(model(part("unet", step=32)), goal=Goal(width=1056, height=1040))
    assert said("MOD014", facts) == ["error: not a multiple of 32: height 1040"]
    assert remedies("MOD014", facts) == [
        "choose sizes such as 512, 544, 576, 608, 640 (32 pixels apart)"
    ]


@pytest.mark.parametrize(
    ("attention", "width", "family", "expected"),
    [
        ("SPLIT_EINSUM", 0, "", []),
        ("SPLIT_EINSUM", 512, "", []),
        ("SPLIT_EINSUM", 768, "", ["warning: SPLIT_EINSUM at 768x512"]),
        ("ORIGINAL", 768, "", []),
        ("SPLIT_EINSUM_V2", 0, "Stable Diffusion XL base", ["error: SDXL with SPLIT_EINSUM_V2"]),
        ("SPLIT_EINSUM", 0, "Stable Diffusion XL base", []),
    ],
)
def test_attention(attention: str, width: int, family: str, expected: list[str]) -> None:
    facts = sick(
        goal=Goal(attention=attention, width=width), model=replace(MODEL, family=family or "SD")
    )
    assert said("MOD015", facts) == expected


def test_a_refusal_that_names_no_remedy_is_whole() -> None:
    facts = model(refusal="nothing here knows this family")
    assert said("MOD009", facts) == ["error: nothing here knows this family"]
    assert remedies("MOD009", facts) == ["convert another model"]


def test_a_single_file_is_refused_once_by_what_it_lacks_or_by_its_family() -> None:
    assert said("MOD009", model(kind="single-file", refusal="this is X")) == ["error: this is X"]
    alone = model(kind="single-file", refusal="this is a VAE", holds=("vae",))
    assert said("MOD009", alone) == []
    assert said("MOD018", alone) == ["error: sd15 is not a whole model but only vae"]


def test_each_config_that_is_refused_is_a_finding() -> None:
    facts = model(part("unet", refusal="class_embed_type"), part("vae", refusal="act_fn='gelu'"))
    assert said("MOD010", facts) == ["error: unet: class_embed_type", "error: vae: act_fn='gelu'"]


def test_a_refused_config_says_what_to_do_once() -> None:
    facts = model(
        part("vae", refusal="config.json has 3 block_out_channels", remedy="take another VAE")
    )
    assert said("MOD010", facts) == ["error: vae: config.json has 3 block_out_channels"]
    assert remedies("MOD010", facts) == ["take another VAE"]


def test_names_without_a_dot_are_named_with_their_folder() -> None:
    facts = model(part("unet", nameless=("LICENSE", "NOTICE")), part("vae", nameless=("README",)))
    assert said("MOD011", facts) == [
        "info: names without a dot: unet/LICENSE, unet/NOTICE, vae/README"
    ]


def test_a_part_without_weights_is_of_no_variant() -> None:
    fp16 = [part(name, variants=("fp16",)) for name in ("vae", "text_encoder")]
    assert said("MOD012", model(part("unet", weights=(), variants=()), *fp16)) == []


@pytest.mark.parametrize(
    ("upcast", "prediction", "expected"),
    [
        (False, "epsilon", []),
        (False, "", []),
        (True, "epsilon", ["upcast_attention is set"]),
        (False, "v_prediction", ["the scheduler says v_prediction"]),
        (True, "v_prediction", ["upcast_attention is set"]),
    ],
)
def test_attention_that_overflows(
    upcast: bool,  # noqa: FBT001  a table
    prediction: str,
    expected: list[str],
) -> None:
    facts = model(part("unet", upcast=upcast), prediction=prediction)
    assert said("MOD013", facts) == [
        f"info: this model's attention overflows in 16-bit floats as it stands ({reason})"
        for reason in expected
    ]


def test_split_attention_at_other_sizes_says_what_to_use() -> None:
    facts = sick(goal=Goal(attention="SPLIT_EINSUM", height=768))
    assert said("MOD015", facts) == ["warning: SPLIT_EINSUM at 512x768"]
    assert remedies("MOD015", facts) == ["use ORIGINAL with CPU & GPU for other sizes"]


@pytest.mark.parametrize(
    ("path", "output", "expected"),
    [
        ("/models/sd15", "/out", []),
        ("/models/sd-1.5_v2+x,y=z@1", "/out", []),
        ("/my models/sd15", "/out", ["'/my models/sd15'"]),
        ("/models/sd15", "/it's", ['"/it\'s"']),
        ("/a&b", "/c d", ["'/a&b'"]),
        ("/models/$HOME", "", ["'/models/$HOME'"]),
    ],
)
def test_paths_for_a_shell(path: str, output: str, expected: list[str]) -> None:
    facts = replace(sick(goal=Goal(output=output)), model=replace(MODEL, path=path))
    assert said("MOD016", facts) == [
        f"info: a space or special character in {name}" for name in expected
    ]


@pytest.mark.parametrize(
    ("programs", "manifest", "is_fresh"),
    [((), False, True), (("Unet.mlmodelc",), True, True), (("Unet.mlmodelc",), False, False)],
)
def test_programs_of_others_are_not_overwritten(
    programs: tuple[str, ...],
    manifest: bool,  # noqa: FBT001  a table
    is_fresh: bool,  # noqa: FBT001  a table
) -> None:
    output = Output(path="/out", programs=programs, manifest=manifest)
    expected = "error: /out holds programs this tool did not make: Unet.mlmodelc"
    assert said("MOD020", sick(output=output)) == ([] if is_fresh else [expected])


def test_a_healthy_job_is_nothing_to_say() -> None:
    for number in (*range(9, 17), 20):
        assert said(f"MOD{number:03}", HEALTHY) == []


def test_what_is_assumed_and_what_to_set_is_said() -> None:
    facts = model(path="/m/photo", notes=("epsilon is assumed", "set 4 steps"))
    assert said("MOD023", facts) == [
        "info: photo: epsilon is assumed",
        "info: photo: set 4 steps",
    ]
