"""Add-ons (LoRA, embedding, VAE) given as the model, and models with add-ons that do not fit."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from tests.convert.weights import torch_files
from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.shapes import LORAS, OTHERS, Shapes, kohya


def file(at: Path, shapes: Shapes, name: str = "add-on.safetensors") -> Path:
    tensors = base.drawn(shapes)
    if name.endswith((".pt", ".bin", ".ckpt", ".pth")):
        return torch_files.write_zip(at / name, tensors)
    return base.write(at / name, base.safetensors(tensors))


def component(at: Path, name: str, family: str = "sd1") -> Path:
    return base.write_folder(at / "model", family) / name


def vae_file(at: Path, *, original: bool, name: str = "vae.safetensors") -> Path:
    tensors = base.tensors_of(base.VAE)
    if original:
        whole = base.original("sd1")
        start = "first_stage_model."
        tensors = {n.removeprefix(start): t for n, t in whole.items() if n.startswith(start)}
    if name.endswith(".pt"):
        return torch_files.write_zip(at / name, tensors)
    return base.write(at / name, base.safetensors(tensors))


def controlnet(at: Path, family: str) -> Path:
    config, tensors = base.controlnet(base.MODELS[family]["unet"])
    net = at / "control-canny"
    base.write(net / "config.json", config)
    base.write(net / "diffusion_pytorch_model.safetensors", base.safetensors(tensors))
    return net


def with_lora(at: Path, *, odd: Shapes | None = None, width: int = 64, value: float = 0.1) -> Path:
    """Write a model, and beside it a LoRA for every attention of the text encoder."""
    tensors: base.Tensors = {}
    for block in range(2):
        for part in ("q", "k", "v", "out"):
            stem = f"lora_te_text_model_encoder_layers_{block}_self_attn_{part}_proj"
            tensors |= base.drawn(
                {f"{stem}.lora_down.weight": (4, width), f"{stem}.lora_up.weight": (width, 4)}
            )
            tensors[f"{stem}.alpha"] = np.array(value, "f2")
    base.write(at / "lora.safetensors", base.safetensors(tensors | base.drawn(odd or {})))
    return base.write_folder(at / "model")


def with_embedding(at: Path, shapes: Shapes) -> Path:
    file(at, shapes, "cat.safetensors")
    return base.write_folder(at / "model")


def with_vae(at: Path, *, original: bool) -> Path:
    vae_file(at, original=original)
    return base.write_folder(at / "model")


LORA, EMBEDDING = ("--lora", "{case}/lora.safetensors"), ("--embedding", "{case}/cat.safetensors")

CASES: tuple[Case, ...] = (
    *(
        no(f"lora-{name}", partial(file, shapes=shapes), Why.ADD_ON, truth, says="--lora")
        for name, (shapes, truth) in LORAS.items()
    ),
    no(
        "lora-pickled",
        partial(file, shapes=kohya(), name="lora.pt"),
        Why.ADD_ON,
        "a LoRA in a pickle",
        says="--lora",
    ),
    *(no(name, partial(file, shapes=s), why, truth) for name, (s, why, truth) in OTHERS.items()),
    *(
        no(f"embedding-{kind}", build, Why.ADD_ON, "a textual inversion", says="--embedding")
        for kind, build in (
            ("pt", partial(file, shapes={"*": (2, 768)}, name="cat.pt")),
            ("bin", partial(file, shapes={"<cat>": (768,)}, name="learned_embeds.bin")),
        )
    ),
    *(
        no(f"vae-{kind}", build, Why.ADD_ON, "a VAE alone", says="--vae")
        for kind, build in (
            ("file", partial(vae_file, original=False)),
            ("file-original", partial(vae_file, original=True)),
            ("pt-original", partial(vae_file, original=True, name="vae.vae.pt")),
            ("folder", partial(component, name="vae")),
        )
    ),
    *(
        no(
            f"component-{name.replace('_', '-').replace('/', '-')}",
            partial(component, name=name),
            why,
            f"its {name}",
        )
        for name, why in (
            ("unet", Why.COMPONENT),
            ("text_encoder", Why.COMPONENT),
            ("tokenizer", Why.COMPONENT),
            ("scheduler", Why.COMPONENT),
            ("model_index.json", Why.NOT_A_MODEL),
            ("unet/config.json", Why.NOT_A_MODEL),
            ("tokenizer/vocab.json", Why.NOT_A_MODEL),
        )
    ),
    no(
        "unet-file",
        partial(component, name="unet/diffusion_pytorch_model.safetensors"),
        Why.COMPONENT,
        "a UNet's file",
    ),
    yes("controlnet-sd1", partial(controlnet, family="sd1"), "a ControlNet"),
    yes("controlnet-sd2", partial(controlnet, family="sd2"), "a ControlNet for SD 2.x"),
    no("controlnet-sdxl", partial(controlnet, family="sdxl"), Why.FAMILY, "no app drives it"),
    # A sound model with something that does not go with it, or does
    yes("with-lora", with_lora, "a LoRA for the text encoder", options=LORA),
    yes(
        "with-lora-one-odd-tensor",
        partial(with_lora, odd={"lora_te_text_model_encoder_layers_0_mystery.weight": (4, 4)}),
        "one tensor of many that means nothing here",
        options=LORA,
        says="mystery",
    ),
    no(
        "with-lora-of-another-width",
        partial(with_lora, width=96),
        Why.OPTION,
        "a LoRA for another text encoder",
        options=LORA,
    ),
    Case(
        name="with-lora-of-nan",
        build=partial(with_lora, value=float("nan")),
        truth="a LoRA whose scale is not a number",
        can=Can.NO,
        why=Why.VALUES,
        options=LORA,
    ),
    yes(
        "with-embedding",
        partial(with_embedding, shapes={"emb_params": (2, 64)}),
        "two vectors",
        options=EMBEDDING,
        makes={"words": ["<cat>"]},
    ),
    no(
        "with-embedding-of-another-width",
        partial(with_embedding, shapes={"emb_params": (2, 768)}),
        Why.OPTION,
        "an embedding for another text encoder",
        options=EMBEDDING,
    ),
    yes(
        "with-vae",
        partial(with_vae, original=False),
        "another VAE",
        options=("--vae", "{case}/vae.safetensors"),
    ),
    yes(
        "with-vae-original",
        partial(with_vae, original=True),
        "another VAE by original names",
        options=("--vae", "{case}/vae.safetensors"),
    ),
    no(
        "with-vae-that-is-a-lora",
        with_lora,
        Why.OPTION,
        "a LoRA given as VAE",
        options=("--vae", "{case}/lora.safetensors"),
    ),
    no(
        "with-safety-checker-absent",
        with_lora,
        Why.OPTION,
        "a safety checker is asked for that is not there",
        options=("--safety-checker",),
    ),
    no(
        "with-refiner-for-sd1",
        with_lora,
        Why.OPTION,
        "a refiner for SD 1.x",
        options=("--refiner", "{case}/model"),
    ),
    yes(
        "with-components",
        with_lora,
        "one program from nothing",
        options=("--components", "unet"),
        makes={"programs": ["Unet"]},
    ),
)
