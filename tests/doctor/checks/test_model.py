from __future__ import annotations

from dataclasses import replace

import pytest

from doctor.facts import Facts, Job
from doctor.subjects import ModelFolder
from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import HEALTHY, MODEL, part, weights
from tests.doctor.specimens import SHARDED, model, sick, unet


def given(**changes: object) -> Facts:
    return sick(model=ModelFolder(path="/m/x", **changes))  # type: ignore[arg-type]


def test_the_layout_of_a_healthy_model_is_its_summary() -> None:
    assert said("MOD001", HEALTHY) == ["ok: sd15: unet, vae, text_encoder; 3.0 GB"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (given(kind="missing"), "error: /m/x: no such folder"),
        (given(kind="none"), "error: no model_index.json in /m/x"),
        (
            given(kind="none", nearby=("/m/x/inner",)),
            "error: no model_index.json in /m/x; it may be meant: /m/x/inner",
        ),
        (
            given(kind="single-file", size=2 * 10**9),
            "info: x is a single checkpoint file, 2.0 GB",
        ),
    ],
)
def test_what_is_no_diffusers_folder(facts: Facts, expected: str) -> None:
    assert said("MOD001", facts) == [expected]


def test_a_damaged_index_is_named_before_the_summary() -> None:
    facts = model(faults=("model_index.json is not JSON",))
    assert said("MOD001", facts)[0] == "error: model_index.json is not JSON"


def test_unet_and_vae_in_shards_are_one_finding() -> None:
    facts = model(SHARDED, replace(SHARDED, name="vae"))
    (what,) = said("MOD002", facts)
    assert what.startswith("warning: unet and vae: saved in shards, which diffusers 0.23.1 cannot")
    assert remedies("MOD002", facts) == [
        "convert, which merges on the way; or write a merged copy of the folder",
        "make convert MODEL=/models/sd15",
        (
            ".venv/bin/python -m convert --to_safetensors --checkpoint_path /models/sd15 "
            "--dump_path /models/sd15-merged"
        ),
    ]


def test_shards_of_a_text_encoder_are_loaded_by_transformers() -> None:
    assert said("MOD002", model(replace(SHARDED, name="text_encoder"))) == []


def test_shards_of_safetensors_are_no_better() -> None:
    index = "diffusion_pytorch_model.safetensors.index.json"
    assert len(said("MOD002", model(replace(SHARDED, index=index)))) == 1


def test_missing_shards_are_told_as_missing_and_not_as_unloadable() -> None:
    facts = model(replace(SHARDED, missing=("b.bin",)))
    assert said("MOD002", facts) == []
    assert said("MOD003", facts) == [
        "error: unet: diffusion_pytorch_model.bin.index.json names files that are not there: b.bin"
    ]


def test_faults_of_a_part() -> None:
    facts = model(
        part("vae", faults=("missing",)), part("unet", faults=("config.json is not JSON",))
    )
    assert said("MOD003", facts) == [
        "error: unet: config.json is not JSON",
        "error: model_index.json names vae, but there is no such folder",
    ]


def test_weights_are_wanted_of_the_parts_of_the_family_alone() -> None:
    refiner = replace(MODEL, needed=("unet", "vae", "text_encoder_2"))
    assert said("MOD004", sick(model=refiner)) == ["error: the model has no text_encoder_2"]
    unknown = replace(MODEL, needed=(), components=())
    assert said("MOD004", sick(model=unknown)) == []


def test_a_part_without_weights() -> None:
    assert said("MOD004", model(part("vae", weights=()))) == ["error: vae has no weight file"]
    assert said("MOD004", model(part("vae", weights=(), faults=("missing",)))) == [], "said already"


def test_pointers_are_one_finding_with_the_commands() -> None:
    pointer = {"kind": "lfs-pointer", "size": 134}
    facts = model(
        part("unet", weights=(weights("unet/a.safetensors", **pointer),)),
        part("vae", weights=(weights("vae/b.safetensors", **pointer),)),
    )
    assert said("MOD005", facts) == [
        "error: Git LFS pointers instead of weights: unet/a.safetensors, vae/b.safetensors"
    ]
    assert remedies("MOD005", facts)[1:] == ["git lfs install", "git -C /models/sd15 lfs pull"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": "web-page", "size": 9000}, "is a web page, not weights (9000 bytes)"),
        ({"kind": "empty", "size": 0}, "is empty"),
        ({"kind": "other", "size": 5}, "is no weight file"),
        ({"kind": "unreadable", "fault": "Permission denied"}, "is Permission denied"),
    ],
)
def test_what_is_no_weight_file(changes: dict[str, object], expected: str) -> None:
    assert said("MOD006", unet(**changes)) == [
        f"error: unet/diffusion_pytorch_model.safetensors {expected}"
    ]


def test_the_reader_s_own_words_and_remedy() -> None:
    facts = unet(fault="truncated: 9 of 12 bytes; download the file again")
    assert said("MOD007", facts) == [
        "error: unet/diffusion_pytorch_model.safetensors: truncated: 9 of 12 bytes"
    ]
    assert remedies("MOD007", facts) == ["download the file again"]


def test_an_unsafe_pickle_is_not_called_damaged() -> None:
    facts = unet(kind="pickle", unsafe=("names os.system",))
    assert said("MOD007", facts) == []
    assert said("MOD008", facts) == [
        "error: unet/diffusion_pytorch_model.safetensors: names os.system"
    ]


def test_a_refused_family_is_said_once_and_not_config_by_config() -> None:
    facts = model(part("unet", refusal="unet: in_channels=9"), refusal="this is X; take Y")
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
    assert said("MOD014", sick(job=Job(width=width, height=height))) == expected


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
        job=Job(attention=attention, width=width), model=replace(MODEL, family=family or "SD")
    )
    assert said("MOD015", facts) == expected


@pytest.mark.parametrize(
    ("holds", "expected"),
    [
        (("unet", "vae", "text_encoder"), "info: sd15 is SD 1.x or 2.x in the original layout"),
        (("unet", "vae", "text_encoder", "sdxl"), "info: sd15 is SDXL in the original layout"),
        (("lora",), "error: sd15 is not a whole model but a lora"),
        (("unet",), "error: sd15 is not a whole model but only unet"),
    ],
)
def test_single_files(holds: tuple[str, ...], expected: str) -> None:
    assert said("MOD018", model(kind="single-file", holds=holds)) == [expected]


def test_without_a_model_nothing_of_it_is_judged() -> None:
    from doctor.facts import Absent

    facts = sick(model=Absent(absent="no model given"))
    for number in range(1, 23):
        name = f"MOD{number:03}"
        expected = [] if name == "MOD020" else ["skipped: no model given"]
        assert said(name, facts) == expected
