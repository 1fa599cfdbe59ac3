from __future__ import annotations

import json

import pytest

from sdcoreml.convert.models.configs import (
    IMAGE_SIZES,
    PIPELINES,
    SCHEDULERS,
    Shapes,
    model_index,
    scheduler_config,
    text_config,
    tokenizer_config,
    unet_config,
    vae_config,
)
from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.skeleton import parameters
from tests.convert.models.originals import TEXT_CONFIG, UNETS, VAE_CONFIG
from tests.golden import assert_golden

XL = (Family.SDXL, Family.SDXL_REFINER)
FAMILIES = {
    "sd1": Family.SD1,
    "sd2": Family.SD2_V,
    "sdxl": Family.SDXL,
    "refiner": Family.SDXL_REFINER,
}


def shapes(kind: str, config: dict[str, object]) -> Shapes:
    found = parameters(kind, config)
    assert found
    return found


@pytest.mark.parametrize("name", list(UNETS))
def test_a_unet_s_config_gives_the_shapes_it_was_derived_from(name: str) -> None:
    of = shapes("UNet2DConditionModel", UNETS[name])
    config = unet_config(of, FAMILIES[name], 512)
    assert shapes("UNet2DConditionModel", config) == of
    assert (config["_class_name"], config["sample_size"]) == ("UNet2DConditionModel", 64)


@pytest.mark.parametrize(
    ("name", "heads"), [("sd1", 8), ("sd2", [1, 1, 1]), ("refiner", [1, 1, 1, 1])]
)
def test_heads_are_eight_or_64_wide(name: str, heads: object) -> None:
    of = shapes("UNet2DConditionModel", UNETS[name])
    assert unet_config(of, FAMILIES[name], 512)["attention_head_dim"] == heads


def test_wider_levels_have_more_heads() -> None:
    wide = UNETS["sd2"] | {"block_out_channels": [64, 128, 256], "attention_head_dim": [1, 2, 4]}
    of = shapes("UNet2DConditionModel", wide)
    assert unet_config(of, Family.SD2_V, 768)["attention_head_dim"] == [1, 2, 4]


@pytest.mark.parametrize(("name", "is_added"), [("sd1", False), ("sdxl", True), ("refiner", True)])
def test_only_sdxl_is_told_of_sizes(name: str, is_added: bool) -> None:  # noqa: FBT001  a table
    config = unet_config(shapes("UNet2DConditionModel", UNETS[name]), FAMILIES[name], 1024)
    assert ("addition_embed_type" in config) is is_added
    if is_added:
        assert config["addition_time_embed_dim"] == 256
        assert config["projection_class_embeddings_input_dim"] == 160


@pytest.mark.parametrize(
    ("family", "scaling"),
    [
        (Family.SD1, 0.18215),
        (Family.SD2_BASE, 0.18215),
        (Family.SD2_V, 0.18215),
        (Family.SDXL, 0.13025),
        (Family.SDXL_REFINER, 0.13025),
    ],
)
def test_a_vae_s_config_gives_the_shapes_it_was_derived_from(
    family: Family, scaling: float
) -> None:
    of = shapes("AutoencoderKL", VAE_CONFIG)
    config = vae_config(of, family, 768)
    assert shapes("AutoencoderKL", config) == of
    assert (config["sample_size"], config["scaling_factor"]) == (768, scaling)


@pytest.mark.parametrize(
    ("kind", "family", "is_open", "act", "projection"),
    [
        ("CLIPTextModel", Family.SD1, False, "quick_gelu", 768),
        ("CLIPTextModel", Family.SD2_V, True, "gelu", 512),
        ("CLIPTextModel", Family.SDXL, False, "quick_gelu", 64),
        ("CLIPTextModelWithProjection", Family.SDXL, True, "gelu", 32),
    ],
)
def test_a_text_encoder_s_config(
    kind: str,
    family: Family,
    is_open: bool,  # noqa: FBT001  a table
    act: str,
    projection: int,
) -> None:
    of = shapes(kind, TEXT_CONFIG)
    config = text_config(of, family, kind, open_clip=is_open)
    assert shapes(kind, config) == of
    assert (config["hidden_act"], config["projection_dim"]) == (act, projection)
    assert config["architectures"] == [kind]
    wanted = ("num_attention_heads", "num_hidden_layers", "vocab_size", "max_position_embeddings")
    assert [config[key] for key in wanted] == [1, 3, 99, 77]


NOISE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "clip_sample": False,
}


@pytest.mark.parametrize("family", list(IMAGE_SIZES))
@pytest.mark.parametrize("name", [None, *SCHEDULERS])
def test_every_scheduler_is_of_the_one_schedule(family: Family, name: str | None) -> None:
    config = scheduler_config(family, "v_prediction", name)
    usual = "euler" if family in XL else "pndm"
    assert config["_class_name"] == SCHEDULERS[name or usual]
    assert config["prediction_type"] == "v_prediction"
    assert {key: config[key] for key in NOISE} == NOISE
    skips = family in XL or config["_class_name"] == "PNDMScheduler"
    assert config.get("skip_prk_steps", False) is skips


@pytest.mark.parametrize("pad", ["<|endoftext|>", "!"])
def test_a_tokenizer_pads_as_its_model_was_trained(pad: str) -> None:
    config = tokenizer_config(pad)
    assert (config["pad_token"], config["model_max_length"]) == (pad, 77)
    marks = [config[key] for key in ("bos_token", "eos_token", "unk_token")]
    assert marks == ["<|startoftext|>", "<|endoftext|>", "<|endoftext|>"]


KINDS = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}
SECOND = {"text_encoder_2": "CLIPTextModelWithProjection"}
TOKENIZER = {"tokenizer": "CLIPTokenizer"}


def test_the_index_of_sd_1() -> None:
    index = model_index(Family.SD1, Task.TEXT_TO_IMAGE, KINDS, TOKENIZER, "PNDMScheduler")
    assert index == {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.23.1",
        "requires_safety_checker": False,
        "feature_extractor": [None, None],
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def test_the_index_of_a_refiner_says_what_it_lacks() -> None:
    kinds = {"unet": KINDS["unet"], "vae": KINDS["vae"], **SECOND}
    index = model_index(
        Family.SDXL_REFINER,
        Task.TEXT_TO_IMAGE,
        kinds,
        {"tokenizer_2": "CLIPTokenizer"},
        "EulerDiscreteScheduler",
    )
    assert index["_class_name"] == "StableDiffusionXLImg2ImgPipeline"
    assert index["force_zeros_for_empty_prompt"] is False
    assert index["requires_aesthetics_score"] is True
    assert index["text_encoder"] == index["tokenizer"] == [None, None]
    assert index["text_encoder_2"] == ["transformers", "CLIPTextModelWithProjection"]


def test_the_index_of_sdxl_zeroes_an_empty_prompt() -> None:
    index = model_index(
        Family.SDXL, Task.TEXT_TO_IMAGE, {**KINDS, **SECOND}, TOKENIZER, "EulerDiscreteScheduler"
    )
    assert index["force_zeros_for_empty_prompt"] is True
    assert "requires_aesthetics_score" not in index
    assert "safety_checker" not in index
    assert list(index)[-1] == "vae", "components in their order"


@pytest.mark.parametrize(
    ("family", "task", "name"), [(family, task, name) for (family, task), name in PIPELINES.items()]
)
def test_each_task_has_its_pipeline(family: Family, task: Task, name: str) -> None:
    assert model_index(family, task, KINDS, TOKENIZER, "x")["_class_name"] == name


def test_a_task_without_a_pipeline_of_its_own_is_the_plain_one() -> None:
    index = model_index(Family.SD2_V, Task.TEXT_TO_IMAGE, KINDS, TOKENIZER, "x")
    assert index["_class_name"] == "StableDiffusionPipeline"


def test_the_names_of_diffusers_script() -> None:
    assert SCHEDULERS == {
        "pndm": "PNDMScheduler",
        "lms": "LMSDiscreteScheduler",
        "heun": "HeunDiscreteScheduler",
        "euler": "EulerDiscreteScheduler",
        "euler-ancestral": "EulerAncestralDiscreteScheduler",
        "dpm": "DPMSolverMultistepScheduler",
        "ddim": "DDIMScheduler",
    }


def test_all_that_is_derived_is_kept_whole() -> None:
    """A key that is left out would be given its default by diffusers, often another one."""
    made: dict[str, object] = {}
    for name, config in UNETS.items():
        of = shapes("UNet2DConditionModel", config)
        made[f"unet {name}"] = unet_config(of, FAMILIES[name], IMAGE_SIZES[FAMILIES[name]])
    guided = {**shapes("UNet2DConditionModel", UNETS["sd1"])}
    guided["time_embedding.cond_proj.weight"] = (64, 256)
    made["unet with guidance"] = unet_config(guided, Family.SD1, 512)
    made["vae"] = vae_config(shapes("AutoencoderKL", VAE_CONFIG), Family.SD1, 512)
    made["vae sdxl"] = vae_config(shapes("AutoencoderKL", VAE_CONFIG), Family.SDXL, 1024)
    text = shapes("CLIPTextModel", TEXT_CONFIG)
    made["text"] = text_config(text, Family.SD1, "CLIPTextModel", open_clip=False)
    made["open text"] = text_config(text, Family.SD2_V, "CLIPTextModel", open_clip=True)
    for kind in SCHEDULERS:
        made[f"scheduler {kind}"] = scheduler_config(Family.SD1, "epsilon", kind)
    for family in Family:
        made[f"scheduler of {family.name}"] = scheduler_config(family, "v_prediction", None)
    made["tokenizer"] = tokenizer_config("!")
    assert_golden("configs", json.dumps(made, indent=1))
