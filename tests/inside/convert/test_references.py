"""The references of the parity check: pinned modules with streamed weights, and their inputs."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sdcoreml.convert.programs.options import Prediction, ProgramOptions
from sdcoreml.convert.references.components import REFERENCES, reference
from sdcoreml.convert.references.inputs import (
    denoising,
    images,
    latents,
    tokens,
    tokens_of_second,
)
from sdcoreml.convert.references.modules import open_module
from sdcoreml.convert.references.safety import check
from sdcoreml.convert.references.text import encode
from sdcoreml.convert.references.vision import (
    decode,
    noise_of_velocity,
    own_size,
    predict_noise,
)
from sdcoreml.convert.references.vision import encode as encode_image
from sdcoreml.ground.errors import BadInputError, ParityError, UnsupportedError

TEXT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 9,
    "eos_token_id": 2,
}
UNET = {
    "sample_size": 8,
    "block_out_channels": (32, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "attention_head_dim": 2,
}
VAE = {
    "block_out_channels": (32,),
    "down_block_types": ("DownEncoderBlock2D",),
    "up_block_types": ("UpDecoderBlock2D",),
    "layers_per_block": 1,
    "latent_channels": 4,
}
REFINER = {
    **UNET,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 50,
}
CONTROLNET = {
    "block_out_channels": (32, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "attention_head_dim": 2,
    "conditioning_embedding_out_channels": (16, 32),
}
CHECKER = {
    "projection_dim": 12,
    "vision_config": {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    },
}
PICTURES = {"clip_input": (1, 3, 16, 16), "images": (1, 8, 8, 3), "adjustment": (1,)}
PORTS = {"sample": (2, 4, 8, 8), "timestep": (2,), "encoder_hidden_states": (2, 16, 1, 9)}
RESIDUALS = {
    f"additional_residual_{place}": (2, 32, size, size)
    for place, size in enumerate((8, 8, 4, 4, 4))
}
CONFIGS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, tuple[int, ...]]]] = {
    "text_encoder": (TEXT, {"input_ids": (1, 9)}),
    "text_encoder_2": ({**TEXT, "projection_dim": 12}, {"input_ids": (1, 9)}),
    "unet": (UNET, PORTS),
    "controlled_unet": (UNET, {**PORTS, **RESIDUALS}),
    "unet_refiner": (REFINER, {**PORTS, "time_ids": (2, 5), "text_embeds": (2, 10)}),
    "controlnet": (CONTROLNET, {**PORTS, "controlnet_cond": (2, 3, 16, 16)}),
    "vae_decoder": (VAE, {"z": (1, 4, 8, 8)}),
    "safety_checker": (CHECKER, PICTURES),
    "vae_encoder": (VAE, {"x": (1, 3, 8, 8)}),
}

DEFAULT = ProgramOptions()


def close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Assert equality up to the order of summation, which in torch depends on memory alignment."""
    torch.testing.assert_close(actual, expected, atol=2e-6, rtol=1e-5)


def saved(component: str, folder: Path) -> tuple[torch.nn.Module, Path]:
    """Return a module with random weights, and the safetensors file that has them."""
    torch.manual_seed(2)
    module = reference(component).build(CONFIGS[component][0]).eval()
    for parameter in module.parameters():  # ControlNet begins with zeros, which would hide faults
        if not parameter.detach().any():
            torch.nn.init.normal_(parameter, std=0.1)
    path = folder / "weights.safetensors"
    save_file(module.state_dict(), path, {"format": "pt"})
    return module, path


@pytest.mark.parametrize("component", REFERENCES)
def test_a_streamed_module_computes_what_the_module_itself_does(
    component: str, tmp_path: Path
) -> None:
    plain, path = saved(component, tmp_path)
    judge, (config, shapes) = reference(component), CONFIGS[component]
    streamed = open_module(lambda: judge.build(config), path, torch.float32)
    with torch.no_grad():
        for feed in judge.feeds(config, shapes):
            expected, actual = judge.call(plain, feed, DEFAULT), judge.call(streamed, feed, DEFAULT)
            assert expected.keys() == actual.keys()
            for name, tensor in expected.items():
                close(actual[name], tensor)


def test_weights_are_rounded_and_computing_is_not(tmp_path: Path) -> None:
    plain, path = saved("unet", tmp_path)
    judge, (config, shapes) = reference("unet"), CONFIGS["unet"]
    streamed = open_module(lambda: judge.build(config), path, torch.float16)
    feed = judge.feeds(config, shapes)[0]
    with torch.no_grad():
        different = judge.call(plain, feed, DEFAULT)["noise_pred"]
        for parameter in plain.parameters():
            parameter.copy_(parameter.half())
        for layer in plain.modules():
            if hasattr(layer, "eps"):
                layer.eps = float(np.float16(layer.eps))
        expected = judge.call(plain, feed, DEFAULT)["noise_pred"]
        actual = judge.call(streamed, feed, DEFAULT)["noise_pred"]
    assert actual.dtype == torch.float32
    close(actual, expected)
    assert float((actual - different).abs().max()) > 1e-4


def test_weights_take_memory_only_while_their_layer_computes(tmp_path: Path) -> None:
    _, path = saved("unet", tmp_path)
    judge, (config, shapes) = reference("unet"), CONFIGS["unet"]
    streamed = open_module(lambda: judge.build(config), path, torch.float16)
    filled: list[int] = []

    def count(*_: object) -> None:
        filled.append(sum(not parameter.is_meta for parameter in streamed.parameters()))

    for layer in streamed.modules():
        if layer._parameters:
            layer.register_forward_pre_hook(count)
    with torch.no_grad():
        judge.call(streamed, judge.feeds(config, shapes)[0], DEFAULT)
    gc.collect()
    assert len(filled) > 20
    assert max(filled) <= 2
    assert all(parameter.is_meta for parameter in streamed.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in streamed.parameters())


def test_missing_tensors_are_all_listed(tmp_path: Path) -> None:
    module, path = saved("unet", tmp_path)
    state = module.state_dict()
    del state["conv_in.bias"], state["conv_out.weight"]
    save_file({**state, "lora.up": torch.zeros(1)}, path)
    with pytest.raises(BadInputError) as caught:
        open_module(lambda: reference("unet").build(UNET), path, torch.float32)
    assert str(caught.value) == (
        f"{path}: tensors are missing: conv_in.bias, conv_out.weight; use the weights and the"
        " config.json of the same model"
    )


def test_what_older_checkpoints_stored_beside_their_weights_is_no_fault(tmp_path: Path) -> None:
    module, path = saved("text_encoder", tmp_path)
    extra = {"text_model.embeddings.position_ids": torch.arange(9)[None]}
    save_file({**module.state_dict(), **extra}, path)
    open_module(lambda: reference("text_encoder").build(TEXT), path, torch.float32)


def test_what_the_module_does_not_have_is_left_aside(tmp_path: Path) -> None:
    module, path = saved("text_encoder", tmp_path)
    count = TEXT["num_hidden_layers"]
    last = f"text_model.encoder.layers.{count}.mlp.fc1.bias"
    save_file({**module.state_dict(), last: torch.zeros(1)}, path)
    open_module(lambda: reference("text_encoder").build(TEXT), path, torch.float32)
    other = "text_model.encoder.layers.0.extra"
    save_file({**module.state_dict(), other: torch.zeros(1)}, path)
    open_module(lambda: reference("text_encoder").build(TEXT), path, torch.float32)


def test_a_vae_with_the_attention_names_of_2022_is_read(tmp_path: Path) -> None:
    plain, path = saved("vae_decoder", tmp_path)
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    state = {}
    for name, tensor in plain.state_dict().items():
        for new, former in old.items():
            name = name.replace(new, former)  # noqa: PLW2901  one name after all four renames
        state[name] = tensor
    assert len([name for name in state if ".proj_attn." in name]) == 4
    save_file(state, path)
    judge, (config, shapes) = reference("vae_decoder"), CONFIGS["vae_decoder"]
    streamed = open_module(lambda: judge.build(config), path, torch.float32)
    with torch.no_grad():
        (feed,) = judge.feeds(config, shapes)
        close(
            judge.call(streamed, feed, DEFAULT)["image"], judge.call(plain, feed, DEFAULT)["image"]
        )


def test_a_component_without_a_judge_is_named() -> None:
    with pytest.raises(UnsupportedError, match="safety: no reference module is known; use one of"):
        reference("safety")


def test_prompts_begin_end_and_are_padded_as_clip_does_it() -> None:
    rows = [feed["input_ids"][0].tolist() for feed in tokens(TEXT, {"input_ids": (1, 16)})]
    short, full, cut, broken, empty = rows
    assert all(row[0] == 38 and len(row) == 16 for row in rows)
    assert short.index(39) == 3
    assert full.index(39) == 15
    assert 39 not in cut
    assert [place for place, word in enumerate(broken[:8]) if word == 39] == [3, 6, 7]
    assert empty == [38] + [39] * 15
    assert all(0 < word < 38 for word in full[1:-1])


def test_the_second_encoders_prompts_are_padded_with_0_as_apps_do_it() -> None:
    shapes = {"input_ids": (1, 16)}
    rows = [feed["input_ids"][0].tolist() for feed in tokens_of_second(TEXT, shapes)]
    assert rows[0][3:] == [39] + [0] * 12
    assert rows[-1] == [38, 39] + [0] * 14


def test_every_row_of_every_run_has_a_timestep_and_noise_of_its_own() -> None:
    runs = denoising(UNET, CONFIGS["unet"][1])
    steps = [step for feed in runs for step in feed["timestep"].tolist()]
    assert steps == [999.0, 1.0, 0.0, 441.0]
    rows = [row for feed in runs for row in feed["sample"]]
    assert not any(torch.equal(one, other) for one, other in itertools.pairwise(rows))


def test_a_batch_of_one_gets_one_timestep() -> None:
    shapes = {"sample": (1, 4, 8, 8), "timestep": (1,), "encoder_hidden_states": (1, 16, 1, 9)}
    assert [feed["timestep"].tolist() for feed in denoising(UNET, shapes)] == [[999.0], [0.0]]


def test_some_latents_and_states_are_larger_than_noise() -> None:
    large = {"sample": (2, 4, 64, 64), "timestep": (2,), "encoder_hidden_states": (2, 64, 1, 77)}
    for feed in denoising(UNET, large):
        for name in ("sample", "encoder_hidden_states"):
            values = feed[name].abs().flatten()
            assert float(values.max()) > 5
            assert float(values.median()) < 1
            assert torch.equal(feed[name], feed[name].half().float())


def test_residuals_are_taken_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    module, _ = saved("unet", tmp_path)
    shapes = {**PORTS, **RESIDUALS}
    feed = dict(reference("controlled_unet").feeds(UNET, shapes)[0])
    shuffled = dict(sorted(feed.items(), reverse=True))
    with torch.no_grad():
        plain = predict_noise(module, {name: feed[name] for name in PORTS}, DEFAULT)["noise_pred"]
        controlled = predict_noise(module, feed, DEFAULT)["noise_pred"]
        again = predict_noise(module, shuffled, DEFAULT)["noise_pred"]
    close(controlled, again)
    assert not torch.allclose(plain, controlled)


def test_a_residual_beyond_the_ninth_does_not_stand_before_the_second() -> None:
    seen: list[float] = []

    class Listener:
        def __call__(self, *_: object, **named: Any) -> tuple[torch.Tensor]:
            seen.extend(float(item) for item in named["down_block_additional_residuals"])
            seen.append(float(named["mid_block_additional_residual"]))
            return (torch.zeros(1),)

    feed = {f"additional_residual_{place}": torch.tensor(float(place)) for place in range(13)}
    rest = {"sample": torch.zeros(1), "timestep": torch.zeros(1)}
    predict_noise(
        Listener(), {**feed, **rest, "encoder_hidden_states": torch.zeros(1, 1, 1, 1)}, DEFAULT
    )
    assert seen == [float(place) for place in range(13)]


def test_noise_of_a_velocity_is_what_the_pinned_scheduler_makes_of_it() -> None:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
    )
    scheduler.set_timesteps(1000)
    sample, velocity = torch.randn(2, 1, 4, 8, 8).unbind(0)
    for step in (981, 441, 1):
        noise = noise_of_velocity(velocity, sample, torch.tensor([float(step)]))
        after = scheduler.step(velocity, step, sample, eta=0.0)
        before = scheduler.alphas_cumprod[max(step - 1, 0)]
        expected = (after.prev_sample - before.sqrt() * after.pred_original_sample) / (
            1 - before
        ).sqrt()
        torch.testing.assert_close(noise, expected, atol=2e-3, rtol=2e-3)


def test_a_velocity_is_turned_into_noise_only_when_asked_for(tmp_path: Path) -> None:
    module, _ = saved("unet", tmp_path)
    feed = reference("unet").feeds(UNET, PORTS)[0]
    with torch.no_grad():
        plain = predict_noise(module, feed, DEFAULT)["noise_pred"]
        epsilon = predict_noise(module, feed, DEFAULT)["noise_pred"]
        turned = predict_noise(module, feed, ProgramOptions(prediction=Prediction.VELOCITY))[
            "noise_pred"
        ]
    close(epsilon, plain)
    close(turned, noise_of_velocity(plain, feed["sample"], feed["timestep"]))


def test_sdxl_is_told_its_own_size_and_nothing_else_changes() -> None:
    sample = torch.zeros(2, 4, 96, 64)
    sent = torch.tensor([[1024.0, 1024, 8, 16, 1024, 1024]])
    assert own_size(sent, sample).tolist() == [[768.0, 512, 8, 16, 768, 512]]
    refined = torch.tensor([[1024.0, 1024, 8, 16, 2.5]])
    assert own_size(refined, sample).tolist() == [[768.0, 512, 8, 16, 2.5]]
    assert sent[0, 0] == 1024


class TestSafetyChecker:
    def module(self, folder: Path, limit: float) -> torch.nn.Module:
        module, _ = saved("safety_checker", folder)
        with torch.no_grad():
            torch.nn.init.normal_(module.concept_embeds)
            torch.nn.init.normal_(module.special_care_embeds)
            module.concept_embeds_weights.fill_(limit)
        return module

    @pytest.mark.parametrize("limit", [-2.0, 2.0], ids=["near", "far"])
    def test_pictures_and_verdict_are_the_pinned_ones(self, limit: float, tmp_path: Path) -> None:
        module = self.module(tmp_path, limit)
        plain, adjusted = reference("safety_checker").feeds(CHECKER, PICTURES)
        with torch.no_grad():
            images, is_near = module.forward_onnx(plain["clip_input"], plain["images"].clone())
            found = check(module, plain, DEFAULT)
            careful = check(module, adjusted, DEFAULT)
        assert torch.equal(found["filtered_images"], images)
        assert found["has_nsfw_concepts"].tolist() == is_near.float().tolist() == [limit < 0]
        assert bool(found["filtered_images"].any()) is (limit > 0)
        # With an adjustment of 2, every special concept is close, and each score rises by 0.01.
        close(careful["concept_scores"] - found["concept_scores"], torch.full((1, 17), 0.01))
        assert torch.equal(careful["filtered_images"], found["filtered_images"])


def test_another_latent_scale_cancels_between_encoder_and_decoder(tmp_path: Path) -> None:
    module, _ = saved("vae_encoder", tmp_path)
    own, other = float(module.config.scaling_factor), 0.5
    pixels = {"x": torch.randn(1, 3, 8, 8)}
    with torch.no_grad():
        mean, log = module.quant_conv(module.encoder(pixels["x"])).chunk(2, 1)
        scaled = encode_image(module, pixels, ProgramOptions(runtime_scale=other))["latent"]
        sampled, spread = scaled.chunk(2, 1)
        torch.testing.assert_close(sampled * other, mean * own, rtol=5e-4, atol=0)
        torch.testing.assert_close(
            torch.exp(spread / 2) * other, torch.exp(log / 2) * own, rtol=2e-3, atol=0
        )
        latent = decode(module, {"z": mean * own / other}, ProgramOptions(runtime_scale=other))
        plain = decode(module, {"z": mean}, DEFAULT)
        torch.testing.assert_close(latent["image"], plain["image"], rtol=1e-3, atol=1e-3)


def test_skipping_a_layer_is_a_model_of_one_layer_less(tmp_path: Path) -> None:
    module, _ = saved("text_encoder", tmp_path)
    shorter = reference("text_encoder").build({**TEXT, "num_hidden_layers": 1}).eval()
    shorter.load_state_dict(
        {name: module.state_dict()[name] for name in shorter.state_dict()}, strict=True
    )
    for feed in tokens(TEXT, {"input_ids": (1, 9)}):
        with torch.no_grad():
            skipped = encode(module, feed, ProgramOptions(clip_skip=2))
            expected = encode(shorter, feed, DEFAULT)
        for name in ("last_hidden_state", "pooled_outputs"):
            torch.testing.assert_close(skipped[name], expected[name])


def test_the_penultimate_states_are_those_before_the_last_layer(tmp_path: Path) -> None:
    module, _ = saved("text_encoder", tmp_path)
    feed = tokens(TEXT, {"input_ids": (1, 9)})[0]
    with torch.no_grad():
        embeds = encode(module, feed, DEFAULT)["hidden_embeds"]
        states = module(feed["input_ids"].long(), output_hidden_states=True).hidden_states
    assert len(states) == 3
    close(embeds, states[1])


def test_a_pad_token_takes_every_place_behind_the_end(tmp_path: Path) -> None:
    module, _ = saved("text_encoder", tmp_path)
    sent, wanted = (
        torch.tensor([[38.0, 5, 7, 39, rest, rest, rest, rest, rest]]) for rest in (39, 0)
    )
    with torch.no_grad():
        restored = encode(module, {"input_ids": sent}, ProgramOptions(pad_id=0))
        ignored = encode(module, {"input_ids": sent}, DEFAULT)
        plain = module(wanted.long()).last_hidden_state
    close(restored["last_hidden_state"], plain)
    assert not torch.allclose(ignored["last_hidden_state"], plain, atol=1e-3)


@pytest.mark.parametrize(
    ("component", "names", "accepted"),
    [
        ("text_encoder", {"last_hidden_state", "pooled_outputs"}, True),
        ("text_encoder", {"hidden_embeds", "pooled_outputs"}, True),
        ("text_encoder", {"last_hidden_state"}, False),
        ("text_encoder", {"hidden_embeds", "last_hidden_state", "pooled_outputs"}, False),
        ("text_encoder_2", {"last_hidden_state", "pooled_outputs"}, False),
        ("text_encoder_2", {"hidden_embeds", "pooled_outputs"}, True),
        ("unet", set(), False),
        ("unet", {"noise_pred"}, True),
        ("controlnet", {f"additional_residual_{place}" for place in range(5)}, True),
        ("controlnet", {f"additional_residual_{place}" for place in range(4)}, False),
    ],
)
def test_a_program_must_have_the_outputs_of_one_form_of_its_component(
    tmp_path: Path, component: str, names: set[str], *, accepted: bool
) -> None:
    module, _ = saved(component, tmp_path)
    judge, (config, shapes) = reference(component), CONFIGS[component]
    feed = judge.feeds(config, shapes)[0]
    with torch.no_grad():
        if accepted:
            assert judge.compute_expected(module, feed, DEFAULT, names).keys() == names
        else:
            with pytest.raises(ParityError, match="the program has outputs"):
                judge.compute_expected(module, feed, DEFAULT, names)


def test_inputs_survive_half_precision_and_are_the_same_each_time() -> None:
    for component, (config, shapes) in CONFIGS.items():
        once, again = (REFERENCES[component].feeds(config, shapes) for _ in range(2))
        for first, second in zip(once, again, strict=True):
            for name, tensor in first.items():
                assert tuple(tensor.shape) == shapes[name]
                assert torch.equal(tensor, second[name])
                assert torch.equal(tensor, tensor.half().float())


def test_pixels_fill_their_range_and_latents_exceed_unit_size() -> None:
    (image,) = images(VAE, {"x": (1, 3, 32, 48)})
    assert -1 <= float(image["x"].min()) < -0.8 < 0.8 < float(image["x"].max()) <= 1
    assert float((image["x"].abs() == 1).float().mean()) < 0.01, "almost none is cut off"
    (latent,) = latents(VAE, {"z": (1, 4, 16, 16)})
    assert 3.5 < float(latent["z"].std()) < 4.5
