"""Folders unpacked from single files load in the pinned diffusers and give the same results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.loaders import LoraLoaderMixin
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
from transformers.models.clip.tokenization_clip import bytes_to_unicode

from sdcoreml.convert.models.embedding import add_embedding, read_embedding
from sdcoreml.convert.models.folder_plan import FolderPlan, write_folder
from sdcoreml.convert.models.lora import LoraSource, merge_loras
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.unpack import UnpackOptions, unpack
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.convert.weights.writer import WriteOptions
from tests.convert.models.originals import (
    TEXT_CONFIG,
    UNETS,
    VAE_CONFIG,
    original_texts,
    original_unet,
    original_vae,
)

PIPELINES = {
    "sd1": StableDiffusionPipeline,
    "sd2": StableDiffusionPipeline,
    "sdxl": StableDiffusionXLPipeline,
    "refiner": StableDiffusionXLImg2ImgPipeline,
}
Modules = dict[str, torch.nn.Module]

pytestmark = pytest.mark.filterwarnings("ignore")


def tokenizer(folder: Path) -> None:
    """Write a CLIP tokenizer that has the alphabet of bytes and a single merge."""
    folder.mkdir()
    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "ca", "cat</w>"]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\nc a\nca t</w>\n", encoding="utf-8")


def modules(name: str) -> Modules:
    torch.manual_seed(0)
    text = CLIPTextConfig(**{**TEXT_CONFIG, "vocab_size": 600})
    found: Modules = {
        "unet": UNet2DConditionModel(**UNETS[name]),
        "vae": AutoencoderKL(**VAE_CONFIG),
        "text_encoder": CLIPTextModel(text),
        "text_encoder_2": CLIPTextModelWithProjection(text),
    }
    return {key: module.eval() for key, module in found.items()}


def save_original(path: Path, name: str, parts: Modules) -> None:
    unet, vae, text, wide = (module.state_dict() for module in parts.values())
    encoders = original_texts(name, text, wide, torch.cat)
    tensors = {**original_unet(unet), **original_vae(vae), **encoders}
    save_file({key: tensor.contiguous().clone() for key, tensor in tensors.items()}, path)


def plan_folder(folder: Path, name: str, parts: Modules) -> FolderPlan:
    tokenizer(folder / "tokenizer")
    save_original(folder / "m.safetensors", name, parts)
    told = PredictionSource(option="epsilon")
    return unpack(open_checkpoint(folder / "m.safetensors"), UnpackOptions(told=told))


@pytest.mark.parametrize("name", list(PIPELINES))
def test_the_pipeline_loads_with_the_weights_it_was_made_of(tmp_path: Path, name: str) -> None:
    parts = modules(name)
    write_folder(plan_folder(tmp_path, name, parts), tmp_path / "out")
    pipeline = PIPELINES[name].from_pretrained(tmp_path / "out")
    for component in ("unet", "vae"):
        loaded = getattr(pipeline, component).state_dict()
        for key, tensor in parts[component].state_dict().items():
            assert torch.equal(loaded[key], tensor), f"{component} {key}"
    padded = pipeline.tokenizer_2 if name == "refiner" else pipeline.tokenizer
    assert len(padded("a cat").input_ids) == 4


def test_half_precision_is_what_torch_makes_of_it(tmp_path: Path) -> None:
    parts = modules("sd1")
    write_folder(plan_folder(tmp_path, "sd1", parts), tmp_path / "out", WriteOptions(dtype="F16"))
    path = tmp_path / "out" / "unet" / "diffusion_pytorch_model.safetensors"
    loaded = load_file(path)
    for key, tensor in parts["unet"].half().state_dict().items():
        assert torch.equal(loaded[key], tensor)


def kohya_lora(parts: Modules) -> dict[str, torch.Tensor]:
    """Return a LoRA, named as by kohya, for all attention layers of UNet and text encoder."""
    torch.manual_seed(1)
    ends = ("to_q", "to_k", "to_v", "to_out.0", "q_proj", "k_proj", "v_proj", "out_proj")
    found = {}
    for component, start in (("unet", "lora_unet"), ("text_encoder", "lora_te")):
        for name, module in parts[component].named_modules():
            if name.endswith(ends) and isinstance(module, torch.nn.Linear):
                stem = f"{start}_{name.replace('.', '_')}"
                found[f"{stem}.lora_down.weight"] = torch.randn(4, module.in_features) / 8
                found[f"{stem}.lora_up.weight"] = torch.randn(module.out_features, 4) / 8
                found[f"{stem}.alpha"] = torch.tensor(2.0)
    return found


@pytest.mark.skipif(
    not issubclass(StableDiffusionPipeline, LoraLoaderMixin),
    reason="this diffusers reads LoRAs with peft alone, which is not pinned",
)
def test_a_merged_lora_is_what_diffusers_fuses(tmp_path: Path) -> None:
    parts = modules("sd1")
    plan = plan_folder(tmp_path, "sd1", parts)
    path = tmp_path / "lora.safetensors"
    save_file(kohya_lora(parts), path)
    write_folder(plan, tmp_path / "plain")
    theirs = StableDiffusionPipeline.from_pretrained(tmp_path / "plain")
    theirs.load_lora_weights(str(path))
    theirs.fuse_lora(lora_scale=0.5)
    write_folder(merge_loras(plan, [LoraSource(path=path, scale=0.5)]), tmp_path / "merged")
    ours = StableDiffusionPipeline.from_pretrained(tmp_path / "merged")
    sample = torch.randn(1, 4, 16, 16)
    tokens = torch.arange(77)[None]
    with torch.no_grad():
        context = [pipe.text_encoder(tokens)[0] for pipe in (theirs, ours)]
        noise = [
            pipe.unet(sample, 10, text).sample
            for pipe, text in zip((theirs, ours), context, strict=True)
        ]
    torch.testing.assert_close(context[1], context[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(noise[1], noise[0], rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        plain = parts["unet"](sample, 10, context[0]).sample
    assert (noise[1] - plain).abs().max() > 1e-2


def test_a_textual_inversion_is_one_token_with_its_vector(tmp_path: Path) -> None:
    plan = plan_folder(tmp_path, "sd1", modules("sd1"))
    vectors = torch.randn(2, 64)
    save_file({"emb_params": vectors}, tmp_path / "toy.safetensors")
    # 64 is the width of these small encoders; real ones are told apart by theirs.
    write_folder(
        add_embedding(plan, read_embedding(tmp_path / "toy.safetensors")), tmp_path / "out"
    )
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "out")
    ids = pipeline.tokenizer("a cat <toy> <toy_1>").input_ids
    rows = pipeline.text_encoder.get_input_embeddings().weight
    assert torch.equal(rows[ids[-3:-1]], vectors)
    assert pipeline.text_encoder.config.eos_token_id == ids[-1]
