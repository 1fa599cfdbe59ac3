"""What weights are of where the line that says it was broken, cut off, or is a library's own."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.knowledge.test_differences import MISMATCH, K, told

WIDTH = "because down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight expected"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            (
                "`Error(s) in loading state_dict for Autoencoder: size mismatch for "
                "decoder.conv_in.weight: copying a param with shape torch.Size([512, "
                "16, 3, 3]) from checkpoint, the shape in current model is "
                "torch.Size([512, 4, 3, 3]).`"
            ),
            (
                "VAE with 16 channels of latents (Stable Diffusion 3, Flux and "
                "others), and were loaded as a VAE with 4"
            ),
        ),
        (
            (
                "size mismatch for conv_in.weight: copying a param with shape "
                "torch.Size([320, 9, 3, 3])\nfrom checkpoint, the shape in current "
                "model is torch.Size([320, 4, 3, 3])."
            ),
            "an inpainting model (nine channels), and were loaded as a UNet of four channels",
        ),
        (
            (
                f"Cannot load {WIDTH}\nshape tensor(..., device='meta', size=(320, 768)), but got"
                " torch.Size([320, 1024]). If you want to"
            ),
            "Stable Diffusion 2, and were loaded as Stable Diffusion 1",
        ),
        (
            (
                "ValueError: Cannot load because conv_in.weight expected shape tensor(..., device="
                "'meta', size=(320, 9, 3, 3)),"
            ),
            "were loaded as an inpainting model (nine channels), which they are not",
        ),
        (
            (
                "size mismatch for decoder.conv_in.weight: copying a param with shape "
                "torch.Size([512, 16, 3, 3]) from checkpoint, the shape in current"
            ),
            "VAE with 16 channels of latents",
        ),
        (
            MISMATCH.format(
                "up_blocks.2.resnets.0.conv1.weight", "320, 960, 3, 3", "640, 1920, 3, 3"
            ),
            "Stable Diffusion XL, and were loaded as Stable Diffusion 1 or 2",
        ),
        (
            "RuntimeError: Error(s) in loading state_dict for ControlNet:\n"
            + MISMATCH.format(
                "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", "640, 768", "640, 2048"
            ),
            (
                "The ControlNet is one for Stable Diffusion 1, and was loaded as one for Stable"
                " Diffusion XL"
            ),
        ),
        ("size mismatch for frob.weight: copying a param with shape torch.Size([3]", ""),
        ("because frob.weight expected shape torch.Size([3]),", ""),
    ],
)
def test_a_line_that_was_broken_or_cut_off_tells_nevertheless(log: str, words: str) -> None:
    assert words in told(log)[0]
    assert bool(words) is bool(told(log)[0])


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            (
                "pipe = "
                "StableDiffusionInpaintPipeline.from_single_file('a.safetensors')\nValueError: "
                "Cannot load because conv_in.weight expected shape tensor(..., "
                "device='meta', size=(320, 9, 3, 3)), but got torch.Size([320, 4, 3, "
                "3])."
            ),
            "gives every Inpaint pipeline",
        ),
        (
            (
                "ValueError: Cannot load out/unet because conv_in.weight expected "
                "shape tensor(..., device='meta', size=(320, 4, 3, 3)), but got "
                "torch.Size([320, 9, 3, 3]). If you want to instead overwrite randomly "
                "initialized weights, please make sure to pass both"
            ),
            "The folder out/unet contradicts itself",
        ),
        (
            (
                "ValueError: Cannot load because down_blocks.1.attentions.0.proj_in.weight expected"
                " shape tensor(..., device='meta', size=(640, 640, 1, 1)), but got torch.Size([640,"
                " 640])."
            ),
            "The file is Stable Diffusion XL",
        ),
    ],
)
def test_of_diffusers_it_is_told_who_took_a_file_for_another_one(log: str, words: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.entry.id == "family-state-dict-shapes"
    assert cause.confidence.value == "likely"
    assert words in cause.cause


@pytest.mark.parametrize(
    ("name", "file", "model", "words"),
    [
        (K, "320, 768", "320, 1280", "made without its config.json"),
        (K, "768, 1280", "768, 768", "refiner"),
        ("decoder.conv_in.bias", "512", "64", "The VAE was made without its config.json"),
        (
            "vision_model.encoder.layers.21.layer_norm1.weight",
            "1280",
            "1024",
            "CLIP ViT-H, and were loaded as the image encoder CLIP ViT-L",
        ),
        ("text_model.encoder.layers.9.layer_norm2.weight", "768", "512", "no config.json"),
    ],
)
def test_a_part_that_was_made_without_its_configuration_is_told(
    name: str, file: str, model: str, words: str
) -> None:
    assert words in told(MISMATCH.format(name, file, model))[0]


@pytest.mark.parametrize(
    ("name", "file", "model", "words"),
    [
        (
            "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.attn2.to_v.weight",
            "320, 768",
            "320, 1280",
            "loaded as latent diffusion's text2img-large",
        ),
        ("encoder.conv_in.weight", "96, 3, 3, 3, 3", "128, 3, 3, 3", "a VAE of video"),
        ("decoder.head.2.bias", "12", "3", "draws at twice the size"),
    ],
)
def test_models_before_and_after_stable_diffusion_are_told(
    name: str, file: str, model: str, words: str
) -> None:
    assert words in told(MISMATCH.format(name, file, model))[0]
