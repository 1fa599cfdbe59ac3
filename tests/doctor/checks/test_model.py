from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.core.facts import Facts
from sdcoreml.doctor.core.subjects import ModelFolder
from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import HEALTHY, MODEL, part
from tests.doctor.specimens import SHARDED, model, sick


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
        "sdcoreml convert /models/sd15",
        (
            "python -m sdcoreml.convert --to_safetensors --checkpoint_path /models/sd15 "
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
        "error: unet: diffusion_pytorch_model.bin.index.json names missing files: b.bin"
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


@pytest.mark.parametrize(
    ("holds", "expected"),
    [
        (("unet", "vae", "text_encoder"), "info: sd15 is SD 1.x or 2.x in the original layout"),
        (("unet", "vae", "text_encoder", "sdxl"), "info: sd15 is SDXL in the original layout"),
        (("lora",), "error: sd15 is not a whole model but a LoRA"),
        (("unet",), "error: sd15 is not a whole model but only unet"),
    ],
)
def test_single_files(holds: tuple[str, ...], expected: str) -> None:
    assert said("MOD018", model(kind="single-file", holds=holds)) == [expected]


def test_without_a_model_nothing_of_it_is_judged() -> None:
    from sdcoreml.doctor.core.facts import Absent

    facts = sick(model=Absent(reason="no model given"))
    for number in range(1, 23):
        name = f"MOD{number:03}"
        expected = [] if name == "MOD020" else ["skipped: no model given"]
        assert said(name, facts) == expected
