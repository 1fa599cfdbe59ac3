"""Odd inputs, fourth part: valid models, with options that fit them or do not."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from tests.odd import base
from tests.odd.addons import controlnet, with_embedding
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.third_addons import KOHYA, PLAIN, Shapes, beside, given, two

LORA = ("--lora", "{case}/lora.safetensors")
MID: Shapes = {
    "lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight": (4, 32, 1, 1),
    "lora_unet_down_blocks_0_resnets_0_conv1.lora_mid.weight": (4, 4, 3, 3),
    "lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight": (32, 4, 1, 1),
}


def in_a_folder(at: Path) -> Path:
    """Write a model, and a LoRA beside it in a folder like a hub repository."""
    path = at / "style" / "pytorch_lora_weights.safetensors"
    base.write(path, base.safetensors(base.drawn(PLAIN)))
    return base.write_folder(at / "model")


def infinite(at: Path) -> Path:
    """Write a model, and a LoRA beside it that has infinity in its weights."""
    tensors = base.drawn(PLAIN)
    tensors[f"{KOHYA}.lora_up.weight"] = np.full((32, 4), np.inf, "f2")
    return beside(at, "lora.safetensors", base.safetensors(tensors))


def sd1(at: Path) -> Path:
    return two(at, "sd1", "sd1")


def net(at: Path) -> Path:
    return controlnet(at, "sd1")


FIT: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("newer-target", ("--target", "macOS15")),
    ("fp32-unet", ("--precision", "unet=fp32")),
    ("two-components", ("--components", "unet,vae_decoder")),
    ("vae-of-itself", ("--vae", "{case}/model")),
    ("chunked", ("--chunk",)),
    ("told-what-it-says", ("--accept-schedule",)),
    ("packages-dropped", ("--packages", "drop")),
)
UNFIT: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("two-sizes", "two folders, and --output names one", ("--size", "128x192")),
    ("two-attentions", "the same", ("--attention", "original", "--attention", "split-einsum")),
    ("size-of-100", "no multiple of what a UNet halves", ("--size", "100x100")),
    ("size-of-nothing", "no size", ("--size", "0x0")),
    ("size-of-one-number", "no size", ("--size", "512")),
    ("size-far-too-large", "beyond what is made", ("--size", "8192x8192")),
    ("older-target", "no system that runs it", ("--target", "macOS12")),
    ("precision-of-nothing", "no such program", ("--precision", "engine=fp32")),
    ("bits-of-five", "no palette of five bits", ("--bits", "5")),
    ("recipe-absent", "a recipe that is not there", ("--recipe", "{case}/nowhere.json")),
    ("clip-skip-of-none", "nothing to leave out", ("--clip-skip", "0")),
    ("pad-below", "an id below zero", ("--pad-id", "-1")),
    ("lora-absent", "a LoRA that is not there", ("--lora", "{case}/nowhere.safetensors")),
    ("lora-of-no-name", "an empty name", ("--lora", "")),
    ("embedding-absent", "an embedding that is not there", ("--embedding", "{case}/no.pt")),
    ("refiner-absent", "a refiner that is not there", ("--refiner", "{case}/nowhere")),
    ("tokenizer-given", "a folder has its own", ("--tokenizer", "{case}/other/tokenizer")),
    ("latent-scale-below", "a negative scale", ("--latent-scale", "-1")),
    ("tokens-beyond", "more than CLIP has places for", ("--tokens", "99")),
    ("batch-of-three", "no app asks so", ("--batch", "3")),
)

CASES: tuple[Case, ...] = (
    *(yes(f"fits-{word}", sd1, "an option that fits", options=options) for word, options in FIT),
    *(
        no(f"unfit-{word}", sd1, Why.OPTION, truth, options=options)
        for word, truth, options in UNFIT
    ),
    yes("merged-mid", partial(given, shapes=MID), "a convolution in three", options=LORA),
    yes("merged-twice", partial(given, shapes=PLAIN), "the same one twice", options=LORA * 2),
    yes(
        "merged-from-a-folder",
        in_a_folder,
        "a LoRA's repository in place of its file",
        options=("--lora", "{case}/style"),
        also=Can.NO,
    ),
    no(
        "merged-of-rank-0",
        partial(
            given,
            shapes={f"{KOHYA}.lora_down.weight": (0, 64), f"{KOHYA}.alpha": (0,)},
        ),
        Why.OPTION,
        "a LoRA of no rank",
        options=LORA,
    ),
    Case(
        name="merged-infinite",
        build=infinite,
        truth="a LoRA with infinity in its weights",
        can=Can.HEADERS,
        why=Why.VALUES,
        also=Can.NO,
        options=LORA,
    ),
    yes(
        "embedding-named",
        partial(with_embedding, shapes={"emb_params": (1, 64)}),
        "a word of its own",
        options=("--embedding", "{case}/cat.safetensors:dog"),
        makes={"words": ["<dog>"]},
    ),
    no(
        "embedding-named-badly",
        partial(with_embedding, shapes={"emb_params": (1, 64)}),
        Why.OPTION,
        "a word that nobody can type",
        options=("--embedding", "{case}/cat.safetensors:a dog"),
    ),
    no(
        "vae-given-controlnet",
        lambda at: (net(at), base.write_folder(at / "model"))[1],
        Why.OPTION,
        "a ControlNet given as a VAE",
        options=("--vae", "{case}/control-canny"),
    ),
    no("net-and-components", net, Why.OPTION, "a net has none", options=("--components", "unet")),
    no("net-and-vae", net, Why.OPTION, "a net has none", options=("--vae", "{case}/control-canny")),
)
