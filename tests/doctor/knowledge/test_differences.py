"""What weights are of and what they were loaded as, told by the tensors that did not fit."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.differences import (
    Tensor,
    explain,
    find_differences,
)

MISMATCH = (
    "\tsize mismatch for {}: copying a param with shape torch.Size([{}]) from checkpoint, the shape"
    " in current model is torch.Size([{}])."
)
K = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"


def told(text: str) -> tuple[str, str]:
    """Return what differs and what to do about it."""
    said = explain(text)
    return said.get("differs", ""), said.get("cure", "")


@pytest.mark.parametrize(
    ("name", "file", "model", "said", "cure"),
    [
        (K, "320, 1024", "320, 768", "Stable Diffusion 2, and were loaded as Stable", "--v2"),
        (K, "320, 768", "320, 1024", "Stable Diffusion 1, and were loaded as", "without --v2"),
        (K, "640, 2048", "640, 768", "Stable Diffusion XL, and", "sdxl_"),
        ("conv_in.weight", "320, 9, 3, 3", "320, 4, 3, 3", "an inpainting model", "inpainting"),
        (
            "model.diffusion_model.input_blocks.0.0.weight",
            "320, 4, 3, 3",
            "320, 8, 3, 3",
            "four",
            "",
        ),
        ("middle_block.1.proj_in.weight", "1280, 1280", "1280, 1280, 1, 1", "2 or XL", "inspect"),
        (
            "text_model.embeddings.token_embedding.weight",
            "49408, 768",
            "49408, 512",
            "ViT-L",
            "con",
        ),
        (
            "text_model.embeddings.token_embedding.weight",
            "49412, 768",
            "49408, 768",
            "voc",
            "resize",
        ),
        ("decoder.conv_in.weight", "512, 16, 3, 3", "512, 4, 3, 3", "16 channels", "Flux 16"),
        ("x.lora_A.weight", "32, 640", "4, 640", "another rank", "fresh pipeline"),
        ("x.lora_B.weight", "640, 32, 1, 1", "640, 4, 1, 1", "another rank", "fresh pipeline"),
        ("x.lora_A.weight", "4, 768", "4, 2048", "another family of model", "this model's family"),
        ("any.weight", "0", "320, 320", "saved by a training in parts", "zero_to_fp32.py"),
        ("any.weight", "1843200, 1", "1280, 2880", "packed in 4 bits", "bitsandbytes"),
        ("frob.weight", "3, 3", "4, 4", "", ""),
    ],
)
def test_two_shapes_tell_what_the_file_is_and_what_it_was_loaded_as(
    name: str, file: str, model: str, said: str, cure: str
) -> None:
    differs, remedy = told(MISMATCH.format(name, file, model))
    assert said in differs
    assert cure in remedy
    assert bool(said) is bool(differs)


def test_the_surest_of_several_shapes_decides() -> None:
    log = "\n".join(
        (
            MISMATCH.format(
                "down_blocks.0.attentions.0.proj_in.weight", "320, 320", "320, 320, 1, 1"
            ),
            MISMATCH.format(K, "320, 1024", "320, 768"),
        )
    )
    assert "Stable Diffusion 2, and were loaded as Stable Diffusion 1" in told(log)[0]


@pytest.mark.parametrize(
    "line",
    [
        (
            "because conv_in.weight expected shape tensor(..., device='meta', size=(320, 4, 3, 3)),"
            " but got torch.Size([320, 9, 3, 3]). If you want"
        ),
        (
            "because conv_in.weight expected shape torch.Size([320, 4, 3, 3]), but got"
            " torch.Size([320, 9, 3, 3])."
        ),
        (
            "- conv_in.weight: found shape torch.Size([320, 9, 3, 3]) in the checkpoint and"
            " torch.Size([320, 4, 3, 3]) in the model instantiated"
        ),
        (
            "ValueError: Expected shape (320, 4, 3, 3) but received shape (320, 9, 3, 3) for"
            " parameter conv_in.weight"
        ),
    ],
)
def test_libraries_say_it_each_in_a_way_of_its_own(line: str) -> None:
    file = Tensor(name="conv_in.weight", shape="320, 9, 3, 3")
    model = Tensor(name="conv_in.weight", shape="320, 4, 3, 3")
    assert list(find_differences(line).pairs) == [(file, model)]


@pytest.mark.parametrize(
    ("missing", "unexpected", "said", "cure"),
    [
        ("", '"logvar"', "leftovers", "strict=False"),
        ("", '"cond_stage_model.transformer.text_model.embeddings.position_ids"', "left", "strict"),
        ('"text_model.embeddings.position_ids"', "", "before 4.31", "strict=False"),
        ("", '"task_embedding", "spatial_ch_projs.weight"', "ControlNet Union", "Update"),
        ("", '"double_blocks.0.img_attn.qkv.scale_weight"', "scaled fp8", "half precision"),
        ('"conv_in.weight"', '"_orig_mod.conv_in.weight"', "compiled model", "_orig_mod"),
        ('"conv_in.weight"', '"unet.conv_in.weight"', "begin with unet.", "Take this beginning"),
        ('"unet.conv_in.weight"', '"conv_in.weight"', "lack the unet.", "Take this beginning"),
        ('"first_stage_model.encoder.conv_in.bias"', "", "no whole VAE", "--vae VAE"),
        ('"conditioner.embedders.1.x"', "", "no whole text encoder", "Choose a text encoder"),
        ("", '"conditioner.embedders.0.transformer.x", "frob"', "Stable Diffusion XL (", "sdxl_"),
        ('"input_blocks.1.1.norm.weight"', '"frob"', "as Stable Diffusion 1 or 2, which", ""),
        (
            '"cond_stage_model.transformer.text_model.x"',
            '"cond_stage_model.model.transformer.resblocks.0.x"',
            "those of Stable Diffusion 2, and were loaded as Stable Diffusion 1",
            "--v2",
        ),
        (
            '"encoder.down_blocks.0.resnets.0.norm1.weight"',
            '"encoder.down.0.block.0.norm1.weight"',
            (
                "a VAE in the original layout (encoder.down.0.block.0.norm1.weight), and it was"
                " loaded as a VAE in diffusers' layout"
            ),
            "",
        ),
        ('"frob.weight"', '"brof.weight"', "", ""),
    ],
)
def test_names_tell_it_too(missing: str, unexpected: str, said: str, cure: str) -> None:
    log = "RuntimeError: Error(s) in loading state_dict for X:\n"
    log += f"\tMissing key(s) in state_dict: {missing}. \n" if missing else ""
    log += f"\tUnexpected key(s) in state_dict: {unexpected}. \n" if unexpected else ""
    differs, remedy = told(log)
    assert said in differs
    assert cure in remedy
    assert bool(said) is bool(differs)


def test_it_is_said_in_the_cause() -> None:
    cause = examine(
        "RuntimeError: Error(s) in loading state_dict for ControlLDM: Unexpected key(s) in"
        ' state_dict: "logvar". \n',
        entries(),
    ).cause
    assert cause is not None
    assert cause.entry.id == "family-state-dict-keys"
    assert cause.cause.startswith("The file has leftovers")
