from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from sdcoreml.doctor.core.facts import Absent
from sdcoreml.doctor.core.subjects import Component, ModelFolder
from sdcoreml.doctor.gather.model import component, model
from sdcoreml.doctor.gather.weights import (
    holdings,
    kind_of,
    mismatches,
    weight_file,
)
from tests.convert.models.test_single_file import averages, original
from tests.convert.models.test_single_file import save as save_file

TENSORS = save({"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"format": "pt"})
UNET = {
    "in_channels": 4,
    "out_channels": 4,
    "attention_head_dim": 8,
    "block_out_channels": [32, 64],
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "sample_size": 64,
}
CONV_IN = save({"conv_in.weight": np.zeros((32, 4, 3, 3), np.float16)}, {"format": "pt"})
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"


def folder(root: Path, **unet: object) -> Path:
    """The smallest diffusers folder."""
    parts = {"unet": ["diffusers", "U"], "vae": ["diffusers", "V"], "text_encoder": ["t", "C"]}
    index = {"_class_name": "StableDiffusionPipeline", "safety_checker": [None, None], **parts}
    (root / "model_index.json").write_text(json.dumps(index))
    for name in parts:
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps({**UNET, **unet}))
        tensors = CONV_IN if name == "unet" else TENSORS
        (root / name / "diffusion_pytorch_model.safetensors").write_bytes(tensors)
    (root / "tokenizer").mkdir()
    (root / "tokenizer/vocab.json").write_text('{"<|startoftext|>": 0, "<|endoftext|>": 1, "a": 2}')
    (root / "tokenizer/merges.txt").write_text("#version: 0.2\na b\n")
    (root / "scheduler").mkdir()
    (root / "scheduler/scheduler_config.json").write_text('{"prediction_type": "epsilon"}')
    return root


def examined(path: Path) -> ModelFolder:
    facts = model(str(path))
    assert isinstance(facts, ModelFolder)
    return facts


def test_a_healthy_folder(tmp_path: Path) -> None:
    facts = examined(folder(tmp_path))
    assert (facts.kind, facts.family, facts.refusal) == ("diffusers", "Stable Diffusion 1.x", "")
    assert facts.prediction == "epsilon"
    assert set(facts.needed) == {"unet", "vae", "text_encoder"}
    assert [part.name for part in facts.components] == ["unet", "vae", "text_encoder"]
    assert facts.size == 2 * len(TENSORS) + len(CONV_IN)
    assert facts.tokenizer_faults == ()
    unet = facts.components[0]
    assert (unet.refusal, unet.mismatch, unet.upcast) == ("", (), False)
    assert (unet.parameters, unet.sample) == (32 * 4 * 3 * 3, 64)
    assert not any(file.fault for part in facts.components for file in part.weights)


@pytest.mark.parametrize(
    ("unet", "refusal"),
    [
        ({"in_channels": 9}, "inpainting"),
        ({"in_channels": 8}, "instruct-pix2pix"),
        ({"addition_embed_type": "image"}, "unknown"),
    ],
)
def test_what_no_app_can_run_is_refused(
    tmp_path: Path, unet: dict[str, object], refusal: str
) -> None:
    assert examined(folder(tmp_path, **unet)).refusal.count(refusal) == 1


def test_a_config_is_judged_by_the_builder_itself(tmp_path: Path) -> None:
    unet, vae, _ = examined(folder(tmp_path, class_embed_type="timestep")).components
    assert unet.refusal.startswith("config.json asks for what this converter does not implement: c")
    assert "in_channels=4" in vae.refusal  # it has the UNet's config here


@pytest.mark.parametrize(("levels", "step"), [(3, 32), (4, 64)])
def test_the_step_of_sizes_follows_from_the_levels(tmp_path: Path, levels: int, step: int) -> None:
    parts = examined(folder(tmp_path, block_out_channels=[32] * levels)).components
    assert parts[0].step == step
    (tmp_path / "vae/config.json").write_text(json.dumps({"block_out_channels": [32] * 4}))
    assert component(tmp_path / "vae").step == 0
    assert component(tmp_path / "nothing").step == 0


def test_weights_that_contradict_the_config() -> None:
    shapes = {
        "conv_in.weight": (320, 9, 3, 3),
        "down.0.attn2.to_k.weight": (320, 1024),
    }
    config = {"block_out_channels": [320], "in_channels": 4, "cross_attention_dim": 768}
    assert list(mismatches(config, shapes)) == [
        "conv_in.weight is [320, 9], config.json says [320, 4]",
        "text features are 1024 wide in the weights, 768 in config.json",
    ]
    assert list(mismatches(config, {"x": (1,)})) == ["conv_in.weight is missing"]
    assert list(mismatches({}, shapes)) == [], "not a UNet"


def test_what_a_single_file_holds() -> None:
    names = ("model.diffusion_model.x", "first_stage_model.y", "conditioner.embedders.1.z")
    assert holdings(names) == ("unet", "vae", "text_encoder", "sdxl")
    assert holdings(("unet.to_q.lora_down.weight",)) == ("lora",)


@pytest.mark.parametrize(
    ("family", "names", "sample"),
    [
        ("sd1", ["unet", "vae", "text_encoder"], 64),
        ("sdxl", ["unet", "vae", "text_encoder", "text_encoder_2"], 128),
    ],
)
def test_the_parts_in_a_single_file_are_counted(
    tmp_path: Path, family: str, names: list[str], sample: int
) -> None:
    arrays = original(family)
    plain = examined(save_file(tmp_path / "m.safetensors", arrays))
    whole, *parts = plain.components
    assert (whole.name, whole.parameters, len(whole.weights)) == ("checkpoint", 0, 1)
    assert sorted(plain.needed) == sorted(part.name for part in parts) == sorted(names)
    inside = {part.name: part for part in parts}
    unet = [key for key in arrays if key.startswith("model.diffusion_model.")]
    assert inside["unet"].parameters == sum(arrays[key].size for key in unet)
    assert inside["unet"].sample == sample
    assert inside["unet"].step == (32 if family == "sdxl" else 0)
    both = examined(save_file(tmp_path / "e.safetensors", arrays | averages(arrays)))
    assert both.components[1:] == plain.components[1:], "averages are not converted"


def test_the_only_part_of_a_controlnet_is_what_is_converted(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"_class_name": "ControlNetModel"}')
    facts = examined(tmp_path)
    assert (facts.kind, facts.needed) == ("controlnet", (tmp_path.name,))


def test_shards_against_their_index(tmp_path: Path) -> None:
    unet = folder(tmp_path) / "unet"
    (unet / "diffusion_pytorch_model.safetensors").rename(unet / "a-00001-of-00002.safetensors")
    table = {"weight": "a-00001-of-00002.safetensors", "bias": "a-00002-of-00002.safetensors"}
    (unet / "a.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    part = component(unet)
    assert part.index == "a.safetensors.index.json"
    assert part.missing == ("a-00002-of-00002.safetensors",)
    assert [Path(file.path).name for file in part.weights] == ["a-00001-of-00002.safetensors"]


@pytest.mark.parametrize("text", ["{}", "[]", "<html>"])
def test_an_index_that_says_nothing_is_a_fault(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.bin.index.json").write_text(text)
    (tmp_path / "config.json").write_text("{}")
    (fault,) = component(tmp_path).faults
    assert fault.startswith("x.bin.index.json")


def test_missing_part_and_variants_and_names_without_a_dot(tmp_path: Path) -> None:
    root = folder(tmp_path)
    unet = root / "unet"
    (unet / "diffusion_pytorch_model.fp16.safetensors").write_bytes(TENSORS)
    (unet / "LICENSE").touch()
    part = component(unet)
    assert part.variants == ("", "fp16")
    assert part.parameters == 32 * 4 * 3 * 3 + 6, "each tensor once, whatever its copies"
    assert part.nameless == ("LICENSE",)
    assert component(root / "text_encoder_2") == Component(
        name="text_encoder_2",
        folder=str(root / "text_encoder_2"),
        faults=("missing",),
    )


@pytest.mark.parametrize(
    ("head", "suffix", "kind"),
    [
        (TENSORS, ".safetensors", "safetensors"),
        (POINTER, ".safetensors", "lfs-pointer"),
        (b"<!DOCTYPE html><html>", ".ckpt", "web-page"),
        (b'\n{"error":"login"}', ".safetensors", "web-page"),
        (b"PK\x03\x04", ".bin", "pickle"),
        (b"\x80\x02}q", ".ckpt", "pickle"),
        (b"", ".bin", "empty"),
        (b"GGUF", ".bin", "other"),
    ],
)
def test_kinds(head: bytes, suffix: str, kind: str) -> None:
    assert kind_of(head, len(head), suffix) == kind


def test_truncated_weights(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(TENSORS[:-1])
    facts = weight_file(path)
    assert facts.kind == "safetensors"
    assert "23" in facts.fault or "truncated" in facts.fault


class Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


def test_a_pickle_that_would_run_something_is_unsafe_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": Exploit()}, protocol=2))
        archive.writestr("archive/version", "3\n")
    path = tmp_path / "x.bin"
    path.write_bytes(buffer.getvalue())
    facts = weight_file(path)
    assert facts.kind == "pickle"
    assert "system" in facts.unsafe[0]
    assert not (tmp_path / "pwned").exists()


def test_the_folder_of_a_controlnet_needs_no_index(tmp_path: Path) -> None:
    net = tmp_path / "sd-canny"
    net.mkdir()
    (net / "config.json").write_text('{"_class_name": "ControlNetModel"}')
    (net / "diffusion_pytorch_model.safetensors").write_bytes(TENSORS)
    found = examined(net)
    assert (found.kind, found.family) == ("controlnet", "Stable Diffusion 1.x")
    assert [part.name for part in found.components] == ["sd-canny"]
    assert found.size == len(TENSORS)


def test_where_the_model_may_be_instead(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    folder(inner)
    (tmp_path / "x.ckpt").touch()
    facts = examined(tmp_path)
    assert facts.kind == "none"
    assert facts.nearby == (str(inner), str(tmp_path / "x.ckpt"))


def test_a_single_file_no_file_and_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(TENSORS)
    assert examined(path).kind == "single-file"
    assert examined(tmp_path / "nowhere").kind == "missing"
    assert isinstance(model(""), Absent)
