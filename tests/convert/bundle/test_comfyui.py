"""The interface of ComfyUI's nodes, as coreml-diffusion 0.1.6 states and uses it.

The tables were written down from its `convert.py`, `inference.py` and `naming.py`, and the names
from the cases of its own tests (test_characterization_out_name.py).
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.convert.bundle.comfyui import (
    Variant,
    describe,
    folder_name,
    interface,
    is_for_comfyui,
    package_name,
)

Inputs = dict[str, tuple[int, ...]]

SD15: Inputs = {
    "sample": (1, 4, 64, 64),
    "timestep": (1,),
    "encoder_hidden_states": (1, 77, 768),
}
LCM: Inputs = {**SD15, "timestep_cond": (1, 256)}
SD2: Inputs = {
    "sample": (2, 4, 96, 96),
    "timestep": (2,),
    "encoder_hidden_states": (2, 77, 1024),
}
SDXL: Inputs = {
    "sample": (1, 4, 128, 128),
    "timestep": (1,),
    "encoder_hidden_states": (1, 77, 2048),
    "time_ids": (1, 6),
    "text_embeds": (1, 1280),
}
REFINER: Inputs = {**SDXL, "encoder_hidden_states": (1, 77, 1280), "time_ids": (1, 5)}
RESIDUALS = (
    (1, 320, 64, 64),
    (1, 320, 64, 64),
    (1, 320, 64, 64),
    (1, 320, 32, 32),
    (1, 640, 32, 32),
    (1, 640, 32, 32),
    (1, 640, 16, 16),
    (1, 1280, 16, 16),
    (1, 1280, 16, 16),
    (1, 1280, 8, 8),
    (1, 1280, 8, 8),
    (1, 1280, 8, 8),
    (1, 1280, 8, 8),
)
CONTROLLED: Inputs = {
    **SD15,
    **{f"additional_residual_{number}": shape for number, shape in enumerate(RESIDUALS)},
}
KINDS = {
    "SD15": SD15,
    "LCM": LCM,
    "SD2": SD2,
    "SDXL": SDXL,
    "REFINER": REFINER,
    "CONTROLLED": CONTROLLED,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_unet_has_exactly_what_the_nodes_send(kind: str) -> None:
    ports = interface(KINDS[kind])
    assert {port.name: port.shape for port in ports.inputs} == KINDS[kind]
    assert [port.name for port in ports.inputs] == list(KINDS[kind])
    assert {dtype.name for port in ports.inputs for dtype in port.dtypes} == {"FLOAT16"}
    (noise,) = ports.outputs
    assert str(noise) == f"noise_pred {list(KINDS[kind]['sample'])} float32"


def test_other_lengths_of_prompts_and_widths_of_guidance_are_not_what_the_nodes_send() -> None:
    asked = {**LCM, "encoder_hidden_states": (1, 154, 768), "timestep_cond": (1, 512)}
    wanted = {port.name: port.shape for port in interface(asked).inputs}
    assert wanted["encoder_hidden_states"] == (1, 77, 768)
    assert wanted["timestep_cond"] == (1, 256)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("SD15", "a UNet of Stable Diffusion 1.x for ComfyUI, 512x512, batch 1"),
        ("SD2", "a UNet of Stable Diffusion 2.x for ComfyUI, 768x768, batch 2"),
        ("SDXL", "a UNet of Stable Diffusion XL base for ComfyUI, 1024x1024, batch 1"),
        ("REFINER", "a UNet of Stable Diffusion XL refiner for ComfyUI, 1024x1024, batch 1"),
        ("LCM", "a UNet of a latent consistency model for ComfyUI, 512x512, batch 1"),
        (
            "CONTROLLED",
            "a UNet of Stable Diffusion 1.x for ComfyUI, 512x512, batch 1, takes ControlNets",
        ),
    ],
)
def test_what_a_unet_is_shows_in_its_inputs(kind: str, said: str) -> None:
    found = describe(KINDS[kind], ["noise_pred"], ".mlpackage")
    assert str(found) == f"{said}; the node Load Core ML UNet lists it from ComfyUI's models/unet"


def test_the_nodes_list_no_compiled_model() -> None:
    found = describe(SD15, ["noise_pred"], ".mlmodelc")
    assert found is not None
    assert found.node == ""
    assert str(found).endswith("no node of ComfyUI lists it")


@pytest.mark.parametrize(
    ("name", "output", "what"),
    [
        ("latent", "image", "VAE decoder"),
        ("image", "latent_moments", "VAE encoder"),
        ("input_ids", "hidden_states", "text encoder"),
    ],
)
def test_other_programs_of_its_converter_are_known(name: str, output: str, what: str) -> None:
    found = describe({name: (1, 4, 64, 64)}, [output], ".mlpackage")
    assert found is not None
    assert found.what == f"a {what} of coreml-diffusion, for its own build_pipeline"
    assert found.node == ""


def test_programs_for_other_apps_are_not_for_comfyui() -> None:
    apples = {**SD15, "encoder_hidden_states": (2, 768, 1, 77)}
    assert not is_for_comfyui(apples)
    assert describe(apples, ["noise_pred"], ".mlpackage") is None
    assert describe({"input_ids": (1, 77)}, ["last_hidden_state"], ".mlpackage") is None
    assert describe({"z": (1, 4, 64, 64)}, ["image"], ".mlpackage") is None


SQUARE = Variant(width=512, height=512, batch=1, attention="SPLIT_EINSUM")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dreamshaper_8.safetensors", "dreamshaper_8_1x512x512_se_unet"),
        ("my.checkpoint.v2.safetensors", "my_1x512x512_se_unet"),
        ("dream shaper 8.safetensors", "dream_shaper_8_1x512x512_se_unet"),
    ],
)
def test_the_name_that_the_converters_node_looks_for(name: str, expected: str) -> None:
    assert package_name(name, SQUARE) == expected


def test_the_name_says_batch_width_and_height_then_attention() -> None:
    tall = Variant(width=768, height=1024, batch=4, attention="SPLIT_EINSUM_V2")
    assert package_name("m", tall) == "m_4x768x1024_se2_unet"
    large = Variant(width=1024, height=1024, batch=1, attention="ORIGINAL")
    assert package_name("sd_xl_base_1.0", large) == "sd_xl_base_1_1x1024x1024_orig_unet"


def test_the_name_says_loras_in_order_controlnets_and_bits() -> None:
    form = replace(SQUARE, is_controlled=True, storage="q6")
    loras = ["zoom.safetensors", "alpha.v2.safetensors"]
    name = package_name("dreamshaper_8.fp16", form, loras)
    assert name == "dreamshaper_8_alpha_zoom_1x512x512_cn_se_q6_unet"
    folder = folder_name("dreamshaper_8.fp16", form, loras)
    assert folder == "dreamshaper_8.fp16_alpha_zoom_1x512x512_cn_se_q6"
