"""Compares components and options beyond those of SD 1.x with their pinned modules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.packages.write import write_package
from sdcoreml.convert.parity.figures import distance
from sdcoreml.convert.programs import build_program, draw
from sdcoreml.convert.programs.options import (
    Precision,
    Prediction,
    ProgramOptions,
    TextStates,
)
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.errors import UnsupportedError
from tests.inside.convert.mil.packages import open_package
from tests.inside.convert.programs.configs import CROSS, PLAIN, TEXT, UNET, VAE, XL
from tests.inside.convert.programs.models import checkpoint, save

Tensors = Mapping[str, torch.Tensor]
REFINER = {**XL, "cross_attention_dim": 24, "projection_class_embeddings_input_dim": 24 + 5 * 8}


def unet(**changes: object) -> torch.nn.Module:
    from diffusers import UNet2DConditionModel

    return shaken(UNet2DConditionModel.from_config({**UNET, **changes}))


def text_model(**changes: object) -> torch.nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    config = CLIPTextConfig(**{**TEXT, "projection_dim": 24, **changes})
    return shaken(CLIPTextModelWithProjection(config))


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """Randomise a module's norms, biases and zero convolutions; round all weights to float16."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1 or not parameter.any():
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
            parameter.copy_(parameter.half().float())
    for layer in module.modules():
        if isinstance(getattr(layer, "eps", None), float):
            layer.eps = float(torch.tensor(layer.eps).half())
    return module.eval()


def package(component: str, module: torch.nn.Module, folder: Path, options: ProgramOptions) -> Path:
    config = module.config
    config = json.loads(
        config.to_json_string() if hasattr(config, "to_json_string") else json.dumps(dict(config))
    )
    state = {name: t for name, t in module.state_dict().items() if t.is_floating_point()}
    path = folder / f"{component}.mlpackage"
    with TensorFile.open(save(state, folder / "w.safetensors")) as tensors:
        write_package(build_program(component, config, tensors, options), tensors, path)
    return path


def dumped(config: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in config.items() if name[0] != "_"})


def assert_equal(path: Path, feeds: Tensors, expected: Tensors) -> None:
    """Require at least 115 dB when the graph runs in float32, and 65 dB in float16."""
    with open_package(path) as executable:
        for mode, floor in ((Mode.FP32, 115), (Mode.FP16, 65)):
            results = executable.run(feeds, mode)
            assert results.keys() == expected.keys()
            for name, result in results.items():
                psnr, _ = distance(expected[name], result)
                assert psnr >= floor, (name, mode, psnr)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).half().float()


def feeds_for(context: int = 24, tokens: int = 7) -> dict[str, torch.Tensor]:
    return {
        "sample": noise(2, 4, 16, 16),
        "timestep": torch.tensor([981.0, 21.0]),
        "encoder_hidden_states": noise(2, context, 1, tokens, seed=1),
    }


def called(module: torch.nn.Module, feeds: Tensors, **more: Any) -> torch.Tensor:
    states = feeds["encoder_hidden_states"].squeeze(2).transpose(1, 2)
    with torch.no_grad():
        return module(feeds["sample"], feeds["timestep"], states, return_dict=False, **more)[0]


SMALL = ProgramOptions(tokens=7)


@pytest.mark.parametrize(("config", "count"), [(XL, 6), (REFINER, 5)], ids=["base", "refiner"])
def test_sdxl_unets(config: Mapping[str, Any], count: int, tmp_path: Path) -> None:
    module = unet(**config)
    ids = torch.tensor([[1024.0, 768, 0, 8, 1024, 768], [512.0, 512, 64, 0, 512, 512]])
    feeds = {
        **feeds_for(config["cross_attention_dim"]),
        "time_ids": ids[:, :count],
        "text_embeds": noise(2, 24, seed=2),
    }
    extra = {name: feeds[name] for name in ("time_ids", "text_embeds")}
    expected = called(module, feeds, added_cond_kwargs=extra)
    assert_equal(package("unet", module, tmp_path, SMALL), feeds, {"noise_pred": expected})


def test_sdxl_that_states_its_own_size_whatever_the_runtime_sends(tmp_path: Path) -> None:
    module = unet(**XL)
    sent = torch.tensor([[1024.0, 1024, 8, 16, 1024, 1024]] * 2)
    true = torch.tensor([[128.0, 128, 8, 16, 128, 128]] * 2)
    feeds = {**feeds_for(40), "time_ids": sent, "text_embeds": noise(2, 24, seed=2)}
    extra = {"time_ids": true, "text_embeds": feeds["text_embeds"]}
    expected = called(module, feeds, added_cond_kwargs=extra)
    assert (
        distance(expected, called(module, feeds, added_cond_kwargs={**extra, "time_ids": sent}))[0]
        < 60
    )
    options = ProgramOptions(tokens=7, states_own_size=True)
    assert_equal(package("unet", module, tmp_path, options), feeds, {"noise_pred": expected})


def test_a_velocity_becomes_noise(tmp_path: Path) -> None:
    from diffusers import DDIMScheduler

    module, feeds = unet(), feeds_for()
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
    )
    velocity = called(module, feeds)
    kept = scheduler.alphas_cumprod[feeds["timestep"].long()].reshape(2, 1, 1, 1)
    expected = kept.sqrt() * velocity + (1 - kept).sqrt() * feeds["sample"]
    assert distance(expected, velocity)[0] < 40  # what a runtime would take for noise
    options = ProgramOptions(tokens=7, prediction=Prediction.VELOCITY)
    path = package("unet", module, tmp_path, options)
    assert_equal(path, feeds, {"noise_pred": expected})


def test_a_controlled_unet_adds_what_a_controlnet_gives(tmp_path: Path) -> None:
    from diffusers import ControlNetModel

    module = unet()
    net = shaken(
        ControlNetModel.from_unet(module, conditioning_embedding_out_channels=(8, 16, 24, 32))
    )
    feeds = feeds_for()
    picture = noise(2, 3, 128, 128, seed=5).abs().clamp(0, 1)
    states = feeds["encoder_hidden_states"].squeeze(2).transpose(1, 2)
    with torch.no_grad():
        down, middle = net(
            feeds["sample"], feeds["timestep"], states, controlnet_cond=picture, return_dict=False
        )
    residuals = {
        f"additional_residual_{index}": tensor for index, tensor in enumerate((*down, middle))
    }
    path = package("controlnet", net, tmp_path, replace(SMALL, height=16, width=16))
    assert_equal(path, {**feeds, "controlnet_cond": picture}, residuals)
    rounded = {name: tensor.half().float() for name, tensor in residuals.items()}
    *first, last = rounded.values()
    expected = called(
        module,
        feeds,
        down_block_additional_residuals=tuple(first),
        mid_block_additional_residual=last,
    )
    path = package("controlled_unet", module, tmp_path, SMALL)
    assert_equal(path, {**feeds, **rounded}, {"noise_pred": expected})


def test_a_controlled_unet_has_the_weights_of_the_plain_one(tmp_path: Path) -> None:
    module = unet()
    files = [
        package(component, module, tmp_path, SMALL) / "Data/com.apple.CoreML/weights/weight.bin"
        for component in ("unet", "controlled_unet")
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_residuals_of_sd_1_5_are_those_of_the_contract() -> None:
    config = {
        "block_out_channels": [320, 640, 1280, 1280],
        "down_block_types": [CROSS, CROSS, CROSS, PLAIN],
        "cross_attention_dim": 768,
        "sample_size": 64,
    }
    features = draw("controlled_unet", config).graph.features[3:]
    assert [feature.shape[1:3] for feature in features] == [
        *((320, 64),) * 3,
        (320, 32),
        *((640, 32),) * 2,
        (640, 16),
        *((1280, 16),) * 2,
        *((1280, 8),) * 4,
    ]


def ids_of(*words: int, end: int = 119, pad: int = 119, length: int = 77) -> torch.Tensor:
    row = [end - 1, *words, end]
    return torch.tensor([row + [pad] * (length - len(row))])


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
@pytest.mark.parametrize("end", [2, 119])
def test_the_second_text_encoder_of_sdxl(activation: str, end: int, tmp_path: Path) -> None:
    module, ids = text_model(hidden_act=activation, eos_token_id=end), ids_of(5, 9, 77, pad=0)
    with torch.no_grad():
        result = module(ids, output_hidden_states=True)
    expected = {"hidden_embeds": result.hidden_states[-2], "pooled_outputs": result.text_embeds}
    path = package("text_encoder_2", module, tmp_path, ProgramOptions())
    assert_equal(path, {"input_ids": ids.float()}, expected)


def test_the_first_text_encoder_of_sdxl(tmp_path: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    module, ids = shaken(CLIPTextModel(CLIPTextConfig(**TEXT))), ids_of(5, 9, 77)
    with torch.no_grad():
        result = module(ids, output_hidden_states=True)
    expected = {"hidden_embeds": result.hidden_states[-2], "pooled_outputs": result.pooler_output}
    options = ProgramOptions(text_states=TextStates.PENULTIMATE)
    path = package("text_encoder", module, tmp_path, options)
    assert_equal(path, {"input_ids": ids.float()}, expected)


@pytest.mark.parametrize("skip", [2, 3])
def test_clip_skip_leaves_out_blocks_and_keeps_the_norm(skip: int, tmp_path: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(**{**TEXT, "num_hidden_layers": 4})
    module, ids = shaken(CLIPTextModel(config)), ids_of(5, 9)
    with torch.no_grad():
        states = module(ids, output_hidden_states=True).hidden_states[-skip]
        last = module.text_model.final_layer_norm(states)
    expected = {"last_hidden_state": last, "pooled_outputs": last[:, 3]}
    path = package("text_encoder", module, tmp_path, ProgramOptions(clip_skip=skip))
    assert_equal(path, {"input_ids": ids.float()}, expected)


def test_a_block_that_the_config_does_not_count_is_left_aside_as_the_library_does(
    tmp_path: Path,
) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    deep = shaken(CLIPTextModel(CLIPTextConfig(**{**TEXT, "num_hidden_layers": 3})))
    module = CLIPTextModel(CLIPTextConfig(**{**TEXT, "num_hidden_layers": 2}))
    module.load_state_dict(deep.state_dict(), strict=False)
    weights = save(deep.state_dict(), tmp_path / "deep.safetensors")
    with TensorFile.open(weights) as tensors:
        built = build_program("text_encoder", {**TEXT, "num_hidden_layers": 2}, tensors)
        write_package(built, tensors, tmp_path / "x.mlpackage")
    ids = ids_of(5, 9)
    with torch.no_grad():
        result = module.eval()(ids)
    expected = {
        "last_hidden_state": result.last_hidden_state,
        "pooled_outputs": result.pooler_output,
    }
    assert_equal(tmp_path / "x.mlpackage", {"input_ids": ids.float()}, expected)


@pytest.mark.parametrize("skip", [0, 3])
def test_clip_skip_that_leaves_nothing_or_adds_something(skip: int) -> None:
    with pytest.raises(UnsupportedError, match="choose 1 to 2"):
        draw("text_encoder", TEXT, ProgramOptions(clip_skip=skip))


def test_a_unet_without_a_size() -> None:
    config = {name: value for name, value in UNET.items() if name != "sample_size"}
    with pytest.raises(UnsupportedError, match="gives no sample_size; choose one with --size"):
        draw("unet", config)


def test_clip_skip_is_not_for_sdxl() -> None:
    with pytest.raises(UnsupportedError, match="text_encoder_2: SDXL is trained on the penult"):
        draw("text_encoder_2", TEXT, ProgramOptions(clip_skip=2))


@pytest.mark.parametrize("end", [2, 119])
def test_padding_with_another_token_than_the_runtime_sends(end: int, tmp_path: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    module = shaken(CLIPTextModel(CLIPTextConfig(**{**TEXT, "eos_token_id": end})))
    sent, meant = ids_of(5, 9, 77), ids_of(5, 9, 77)
    meant[0, 5:] = 0
    with torch.no_grad():
        result, other = module(meant), module(sent)
    assert distance(result.last_hidden_state, other.last_hidden_state)[0] < 40
    expected = {
        "last_hidden_state": result.last_hidden_state,
        "pooled_outputs": result.pooler_output,
    }
    path = package("text_encoder", module, tmp_path, ProgramOptions(pad_id=0))
    assert_equal(path, {"input_ids": sent.float()}, expected)


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("shift", [None, 0.1159])
def test_an_app_that_applies_another_scale_and_no_shift_gets_the_same_pictures(
    shift: float | None, precision: Precision, tmp_path: Path
) -> None:
    from diffusers import AutoencoderKL

    own, apps = 0.13025, 0.18215
    module = shaken(AutoencoderKL.from_config({**VAE, "scaling_factor": own}))
    module.register_to_config(shift_factor=shift)
    options = ProgramOptions(runtime_scale=apps, precision=precision)
    latent, picture, moved = noise(1, 4, 8, 8), noise(1, 3, 64, 64), shift or 0.0
    with torch.no_grad():
        image = module.decode(latent / own + moved, return_dict=False)[0]
        unmended = module.decode(latent / apps, return_dict=False)[0]
        mean, spread = module.encode(picture).latent_dist.parameters.chunk(2, dim=1)
    assert distance(image, unmended)[0] < 40
    path = package("vae_decoder", module, tmp_path, options)
    with open_package(path) as executable:
        result = executable.run({"z": latent / apps})["image"]
    assert distance(image, result)[0] >= 115
    path = package("vae_encoder", module, tmp_path, options)
    with open_package(path) as executable:
        means, spreads = executable.run({"x": picture})["latent"].chunk(2, dim=1)
    assert distance((mean - moved) * own, means * apps)[0] >= 115
    assert distance((spread / 2).exp() * own, (spreads / 2).exp() * apps)[0] >= 115


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("component", ["vae_decoder", "vae_encoder"])
def test_another_scale_and_a_shift_are_judged_as_they_are_meant(
    component: str, precision: Precision, tmp_path: Path
) -> None:
    made = checkpoint(component, tmp_path, {"scaling_factor": 0.13025, "shift_factor": 0.1159})
    options = ProgramOptions(runtime_scale=0.18215, precision=precision)
    parity = made.check(tmp_path / "x.mlpackage", options, runtime_scale=0.18215)
    assert parity.passed, parity.faults()
    assert not made.check(tmp_path / "x.mlpackage", options).passed


@pytest.mark.parametrize("adjustment", [0.0, 1.0])
@pytest.mark.parametrize("limit", [-1.0, 1.0], ids=["near", "far"])
def test_the_safety_checker(adjustment: float, limit: float, tmp_path: Path) -> None:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    config = CLIPConfig(vision_config=vision, projection_dim=24)
    module = shaken(StableDiffusionSafetyChecker(config))
    with torch.no_grad():
        for parameter in (module.concept_embeds, module.special_care_embeds):
            parameter.copy_(noise(*parameter.shape, seed=9))
        module.concept_embeds_weights.copy_(torch.linspace(limit, 1, 17).half())
        module.special_care_embeds_weights.fill_(0.5)
        picture = noise(1, 3, 28, 28)
        seen = module.visual_projection(module.vision_model(picture)[1])
        cosine = torch.nn.functional.cosine_similarity
        special = cosine(seen[:, None], module.special_care_embeds[None], dim=2)
        careful = ((special - 0.5 + adjustment) > 0).any().float() * 0.01
        scores = cosine(seen[:, None], module.concept_embeds[None], dim=2)
        scores = scores - module.concept_embeds_weights + careful
    images = noise(1, 512, 512, 3, seed=4)
    is_near = bool((scores > 0).any())
    assert is_near == (limit < 0)
    feeds = {"clip_input": picture, "images": images, "adjustment": torch.tensor([adjustment])}
    path = package("safety_checker", module, tmp_path, ProgramOptions())
    with open_package(path) as executable:
        result = executable.run(feeds)
    assert distance(scores, result["concept_scores"])[0] >= 100
    assert result["has_nsfw_concepts"].tolist() == [float(is_near)]
    assert torch.equal(result["filtered_images"], images * (not is_near))
