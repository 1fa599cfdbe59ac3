"""Odd inputs, second part: paths to other families, paths one folder too high or too low."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.odd import base
from tests.odd.case import Can, Case, Why, no
from tests.odd.folders import sd1
from tests.odd.later_folders import CONFIG, INDEX, TEXT_CONFIG
from tests.odd.places import compiled, files, finished


def hub_of_core_ml(at: Path) -> Path:
    """Write a hub repository of finished Core ML models, laid out like Apple's."""
    root = at / "coreml-stable-diffusion-v1-5"
    for attention in ("original", "split_einsum"):
        folder = root / attention / "compiled"
        for name in ("TextEncoder", "Unet", "VAEDecoder"):
            compiled(folder, name)
        base.write(folder / "vocab.json", "{}")
        base.write(folder / "merges.txt", "")
    return root


def caches(at: Path) -> Path:
    """Write the hub's cache folder itself, one level above the folders of its models."""
    for name in ("models--a--b", "models--c--d"):
        base.write(at / "hub" / name / "refs" / "main", "a" * 40)
    base.write(at / "hub" / "version.txt", "1")
    return at / "hub"


def two_snapshots(at: Path) -> Path:
    root = at / "models--somebody--model"
    for revision in ("a" * 40, "b" * 40):
        base.write_folder(root / "snapshots" / revision)
    base.write(root / "refs" / "main", "b" * 40)
    return root


def kolors(at: Path) -> Path:
    """Write Kolors: a model with SDXL's UNet and ChatGLM as the text encoder."""
    model = base.write_folder(at / "kolors", "sdxl")
    base.edit(
        model / INDEX,
        _class_name="KolorsPipeline",
        text_encoder=["kolors", "ChatGLMModel"],
        text_encoder_2=...,
        tokenizer=["kolors", "ChatGLMTokenizer"],
        tokenizer_2=...,
    )
    base.edit(model / CONFIG, encoder_hid_dim=4096, encoder_hid_dim_type="text_proj")
    base.write(model / TEXT_CONFIG, {"architectures": ["ChatGLMModel"], "hidden_size": 4096})
    return model


def family_folder(at: Path, pipeline: str, transformer: str, vae: str) -> Path:
    model = at / "model"
    parts = {"transformer": ["diffusers", transformer], "vae": ["diffusers", vae]}
    base.write(model / INDEX, {"_class_name": pipeline, "_diffusers_version": "0.36.0"} | parts)
    for name, kind in (("transformer", transformer), ("vae", vae)):
        base.write(model / name / "config.json", {"_class_name": kind, "num_layers": 1})
        tensors = base.drawn({"proj_out.weight": (64, 64)})
        base.write(base.weights(model, name), base.safetensors(tensors))
    return model


def net_union(at: Path) -> Path:
    config, tensors = base.controlnet(base.SDXL_UNET)
    net = at / "controlnet-union"
    base.write(net / "config.json", config | {"_class_name": "ControlNetUnionModel"})
    more = base.drawn({"task_embedding": (6, 32), "control_add_embedding.linear_1.weight": (32, 8)})
    path = net / "diffusion_pytorch_model.safetensors"
    base.write(path, base.safetensors(tensors | more))
    return net


def trained(at: Path) -> Path:
    """Write a trainer's checkpoint folder: only a UNet, and the state of the optimizer."""
    model = sd1(at)
    place = at / "output" / "checkpoint-500"
    place.mkdir(parents=True)
    (model / "unet").rename(place / "unet")
    base.write(place / "optimizer.bin", bytes(64))
    base.write(place / "scheduler.bin", bytes(64))
    return place


def add_on_folder(at: Path, name: str, shapes: dict[str, tuple[int, ...]]) -> Path:
    folder = at / "my-add-on"
    base.write(folder / "README.md", "---\nbase_model: a/b\n---\n")
    base.write(folder / name, base.safetensors(base.drawn(shapes)))
    return folder


def repository_of_files(at: Path) -> Path:
    """Write a repository as published in 2022: two single files and a training config."""
    repository = at / "stable-diffusion-v-1-4-original"
    for name in ("sd-v1-4.safetensors", "sd-v1-4-full-ema.safetensors"):
        base.write_file(repository, name=name)
    base.write(repository / "v1-inference.yaml", "model:\n  base_learning_rate: 1.0e-04\n")
    return repository


DIFFUSERS_LORA: dict[str, tuple[int, ...]] = {
    "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 768),
    "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight": (320, 4),
}


CASES: tuple[Case, ...] = (
    # Other families
    *(
        no(
            f"{name}-later-folder",
            partial(family_folder, pipeline=pipeline, transformer=transformer, vae=vae),
            Why.FAMILY,
            "a pipeline of another family",
        )
        for name, pipeline, transformer, vae in (
            ("sana", "SanaPipeline", "SanaTransformer2DModel", "AutoencoderDC"),
            ("lumina2", "Lumina2Pipeline", "Lumina2Transformer2DModel", "AutoencoderKL"),
            ("chroma", "ChromaPipeline", "ChromaTransformer2DModel", "AutoencoderKL"),
            (
                "cogvideox",
                "CogVideoXPipeline",
                "CogVideoXTransformer3DModel",
                "AutoencoderKLCogVideoX",
            ),
            ("ltx", "LTXPipeline", "LTXVideoTransformer3DModel", "AutoencoderKLLTXVideo"),
            ("omnigen", "OmniGenPipeline", "OmniGenTransformer2DModel", "AutoencoderKL"),
        )
    ),
    no("kolors-folder", kolors, Why.FAMILY, "SDXL's UNet and ChatGLM"),
    no("controlnet-union", net_union, Why.FAMILY, "a ControlNet that no app drives"),
    # Paths that are no model, or one level off
    no("checkpoint-of-a-trainer", trained, Why.INCOMPLETE, "a UNet and its optimizer"),
    no(
        "folder-of-a-lora",
        partial(add_on_folder, name="pytorch_lora_weights.safetensors", shapes=DIFFUSERS_LORA),
        Why.ADD_ON,
        "a LoRA's repository",
        says="--lora",
    ),
    no(
        "folder-of-an-embedding",
        partial(add_on_folder, name="learned_embeds.safetensors", shapes={"<cat>": (1, 768)}),
        Why.ADD_ON,
        "an embedding's repository",
        says="--embedding",
    ),
    no(
        "repository-of-files",
        repository_of_files,
        Why.NOT_A_MODEL,
        "two single files and a training config",
        also=Can.YES,
        says="sd-v1-4",
    ),
    no("hub-of-core-ml", hub_of_core_ml, Why.FINISHED, "a repository of Core ML models"),
    no(
        "manifest-of-a-folder",
        lambda at: base.write(finished(at) / "manifest.json", {"programs": {}}),
        Why.NOT_A_MODEL,
        "the manifest of a finished folder",
    ),
    no("hub-itself", caches, Why.NOT_A_MODEL, "the hub's cache, with models below"),
    no(
        "cache-of-two-snapshots",
        two_snapshots,
        Why.NOT_A_MODEL,
        "a cache with two revisions",
        also=Can.YES,
        says="snapshots",
    ),
    *(
        no(
            f"archive-{kind}",
            partial(
                files, name="x", names={f"model.{kind}": data + bytes(64)}, give=f"model.{kind}"
            ),
            Why.FORMAT,
            "a packed file",
            says="unpack",
        )
        for kind, data in (("7z", b"7z\xbc\xaf\x27\x1c"), ("rar", b"Rar!\x1a\x07\x01\x00"))
    ),
    no(
        "torrent",
        partial(files, name="x", names={"m.torrent": b"d8:announce3:abc"}, give="m.torrent"),
        Why.NOT_A_MODEL,
        "a torrent",
    ),
)
