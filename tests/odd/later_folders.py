"""Odd inputs, second part: folders from downloads, trainers and newer libraries."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.configs import edited, retensored
from tests.odd.families import reshaped
from tests.odd.folders import UNET, pickled, put, renamed, sd1, sharded, without

CONFIG, VAE_CONFIG, TEXT_CONFIG = "unet/config.json", "vae/config.json", "text_encoder/config.json"
INDEX = "model_index.json"
SHARD = "diffusion_pytorch_model-0000{}-of-00002.safetensors"


def split(at: Path, component: str, stem: str) -> Path:
    """Write a model with one component in two shards, whose names begin with `stem`."""
    model = sd1(at)
    tensors = base.tensors_of(base.MODELS["sd1"][component])
    base.weights(model, component).unlink()
    names = [f"{stem}-0000{n}-of-00002.safetensors" for n in (1, 2)]
    places: dict[str, str] = {}
    for name, half in zip(names, np.array_split(list(tensors), 2), strict=True):
        part = {str(key): tensors[key] for key in half}
        base.write(model / component / name, base.safetensors(part))
        places |= dict.fromkeys(part, name)
    base.write(model / component / f"{stem}.safetensors.index.json", {"weight_map": places})
    return model


def whole_and_shards(at: Path) -> Path:
    model = sharded(at)
    base.write(model / UNET, base.component_bytes("sd1", "unet"))
    return model


def swapped(at: Path) -> Path:
    """Write SDXL with its two text encoders swapped."""
    model = base.write_folder(at / "model", "sdxl")
    first, second, aside = (model / n for n in ("text_encoder", "text_encoder_2", "aside"))
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    return model


def quantized(at: Path) -> Path:
    """Write a model whose UNet was saved by bitsandbytes in four bits."""
    tensors = base.tensors_of(base.SD1_UNET)
    for name, tensor in list(tensors.items()):
        if tensor.ndim == 2:
            tensors[name] = np.zeros((tensor.size // 2, 1), "u1")
            tensors[f"{name}.absmax"] = np.ones(8, "f4")
            tensors[f"{name}.quant_map"] = np.ones(16, "f4")
    settings = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    model = edited(at, CONFIG, quantization_config=settings)
    base.write(model / UNET, base.safetensors(tensors))
    return model


def spoilt(at: Path, family: str, component: str, value: float) -> Path:
    """Write a model with one number of a component replaced by `value`, a NaN or infinity."""
    model = base.write_folder(at / "model", family)
    tensors = base.tensors_of(base.MODELS[family][component])
    name = [n for n, t in tensors.items() if t.ndim == 1][-1]
    wrong = tensors[name].copy()
    wrong[-1] = value
    base.write(base.weights(model, component), base.safetensors(tensors | {name: wrong}))
    return model


def spoilt_shard(at: Path) -> Path:
    model = sharded(at)
    path = model / "unet" / SHARD.format(2)
    data = bytearray(path.read_bytes())
    data[-2:] = np.array(np.nan, "f2").tobytes()
    base.write(path, bytes(data))
    return model


def aria(at: Path) -> Path:
    """Write an unfinished download by aria2: a file of the full size that ends in zeros."""
    model = sd1(at)
    data = base.component_bytes("sd1", "unet")
    base.write(model / UNET, data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    base.write(model / f"{UNET}.aria2", b"\x00\x01")
    return model


def aria_file(at: Path) -> Path:
    data = base.file_bytes("sd1")
    path = base.write_file(at, content=data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    base.write(path.with_name("model.safetensors.aria2"), b"\x00\x01")
    return path


def long_text(at: Path) -> Path:
    """Write a model with LongCLIP: a text encoder of 248 positions, and its tokenizer."""
    config = base.TEXT | {"max_position_embeddings": 248}
    model = edited(at, "tokenizer/tokenizer_config.json", model_max_length=248)
    base.write(model / TEXT_CONFIG, config)
    base.write(base.weights(model, "text_encoder"), base.safetensors(base.tensors_of(config)))
    return model


def without_prefix(tensors: base.Tensors) -> base.Tensors:
    return {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}


def fewer_layers(at: Path) -> Path:
    """Write a distilled SDXL, with fewer transformer layers in both config and weights."""
    return reshaped("sdxl", at, transformer_layers_per_block=[1, 1])


def one_shard(at: Path) -> Path:
    return sharded(at) / "unet" / SHARD.format(1)


def shard_index(at: Path) -> Path:
    return sharded(at) / "unet" / "diffusion_pytorch_model.safetensors.index.json"


def stale_index(at: Path) -> Path:
    """Write a model whose index still lists a pickle, while the shards are safetensors files."""
    model = sharded(at)
    place = model / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    base.write(place, place.read_text().replace("00002.safetensors", "00002.bin"))
    return model


def pickled_variant(at: Path) -> Path:
    model = pickled(at, "unet/diffusion_pytorch_model.bin")
    plain = model / "unet" / "diffusion_pytorch_model.bin"
    plain.rename(plain.with_name("diffusion_pytorch_model.fp16.bin"))
    return model


NEWER_INDEX: dict[str, Any] = {
    "requires_safety_checker": True,
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "feature_extractor": ["transformers", "CLIPFeatureExtractor"],
}

CASES: tuple[Case, ...] = (
    # What stands beside the files
    yes(
        "windows-leftovers",
        partial(put, files={"Thumbs.db": bytes(64), "unet/desktop.ini": "", "vae/Thumbs.db": ""}),
        "Windows' notes",
    ),
    yes(
        "macosx-folder",
        partial(put, files={"__MACOSX/unet/._config.json": b"\x00\x05", "__MACOSX/._x": ""}),
        "what an archive made on a Mac leaves",
    ),
    yes(
        "git-clone",
        partial(put, files={".git/HEAD": "ref: x", ".gitattributes": "*.bin filter=lfs\n"}),
        "a clone with its weights fetched",
    ),
    yes(
        "averaged-unet-beside",
        partial(put, files={"unet_ema/config.json": "{}", "unet_ema/x.safetensors": b"half"}),
        "a trainer's averaged UNet, not listed",
    ),
    yes(
        "download-metadata",
        partial(put, files={f"{UNET}.lock": "", f"{UNET}.metadata": "abc\n1"}),
        "the hub client's notes beside the weights",
    ),
    yes(
        "old-index-of-missing-checker",
        partial(edited, name=INDEX, **NEWER_INDEX),
        "a checker listed under a library of 2022, and not downloaded",
    ),
    yes(
        "inpainting-pipeline-of-plain-unet",
        partial(edited, name=INDEX, _class_name="StableDiffusionInpaintPipeline"),
        "an inpainting pipeline that blends; its UNet takes four channels",
    ),
    no(
        "unet-of-own-code",
        partial(edited, name=INDEX, unet=["my_module", "MyUNet"]),
        Why.CONFIG,
        "a UNet of a repository's own code",
        also=Can.YES,
    ),
    # Weights in other shapes of files
    yes("text-encoder-in-shards", partial(split, component="text_encoder", stem="model"), "shards"),
    yes("vae-in-shards", partial(split, component="vae", stem="diffusion_pytorch_model"), "shards"),
    yes("whole-and-shards", whole_and_shards, "a merged file beside the shards it was made of"),
    no(
        "stale-index",
        stale_index,
        Why.INCOMPLETE,
        "an index of shards that have other names since",
        also=Can.YES,
    ),
    yes("fp16-pickle", pickled_variant, "an fp16 variant in a pickle"),
    yes(
        "two-variants",
        lambda at: put(at, {"unet/diffusion_pytorch_model.non_ema.safetensors": b"half"}),
        "a broken variant beside the whole file",
    ),
    no("one-shard", one_shard, Why.COMPONENT, "one of two shards", says="shard|folder|part"),
    no("shard-index", shard_index, Why.NOT_A_MODEL, "an index of shards", says="folder|model"),
    # Unfinished downloads
    no("aria2-unfinished", aria, Why.DOWNLOAD, "of full size, half of it zeros", says="aria2"),
    no("aria2-unfinished-file", aria_file, Why.DOWNLOAD, "the same of one file", says="aria2"),
    no(
        "firefox-part",
        partial(renamed, old=UNET, new=f"{UNET}.part"),
        Why.DOWNLOAD,
        "Firefox's unfinished download",
        says=r"\.part",
    ),
    no(
        "safari-download",
        lambda at: without(
            at, UNET, more={f"{UNET}.download/diffusion_pytorch_model.safetensors": b"half"}
        ),
        Why.DOWNLOAD,
        "Safari's unfinished download, a folder",
        says=r"\.download",
    ),
    # Configs of newer libraries and of wrong hands
    yes("sample-size-of-two", partial(edited, name=CONFIG, sample_size=[16, 16]), "two numbers"),
    yes("layers-in-a-list", partial(edited, name=CONFIG, layers_per_block=[2, 2]), "the same"),
    yes("context-in-a-list", partial(edited, name=CONFIG, cross_attention_dim=[64, 64]), "equal"),
    yes(
        "cross-attention-in-a-list",
        partial(edited, name=CONFIG, only_cross_attention=[False, False]),
        "off, for each block",
    ),
    yes(
        "transformers-in-a-list",
        partial(edited, name=CONFIG, transformer_layers_per_block=[1, 1]),
        "one each, which is the default",
    ),
    yes("distilled-sdxl", fewer_layers, "a smaller SDXL"),
    no(
        "heads-by-the-newer-key",
        partial(edited, name=CONFIG, num_attention_heads=8),
        Why.CONFIG,
        "heads by a key that the library refuses",
        also=Can.YES,
    ),
    no(
        "vae-with-means",
        partial(edited, name=VAE_CONFIG, latents_mean=[0.1] * 4, latents_std=[8.0] * 4),
        Why.CONFIG,
        "latents with a mean of their own, which no app adds",
    ),
    no(
        "vae-without-quant-conv",
        partial(edited, name=VAE_CONFIG, use_quant_conv=False, use_post_quant_conv=False),
        Why.CONFIG,
        "a VAE that leaves convolutions out that its weights have",
        also=Can.YES,
    ),
    no(
        "vae-16-channels-alone",
        partial(edited, name=VAE_CONFIG, latent_channels=16),
        Why.CONFIG,
        "another family's VAE",
    ),
    no(
        "text-heads-that-do-not-divide",
        partial(edited, name=TEXT_CONFIG, num_attention_heads=5),
        Why.CONFIG,
        "64 wide, in five heads",
    ),
    no(
        "text-act-unheard-of",
        partial(edited, name=TEXT_CONFIG, hidden_act="wiggle"),
        Why.CONFIG,
        "an activation that nobody has",
    ),
    no(
        "text-of-248-places",
        long_text,
        Why.CONFIG,
        "a text encoder of 248 places, of which apps use 77",
        also=Can.YES,
        says="248 (places|tokens)",
    ),
    no(
        "text-without-prefix",
        partial(retensored, component="text_encoder", change=without_prefix),
        Why.CONFIG,
        "a text encoder by names without text_model",
        also=Can.YES,
    ),
    no("text-encoders-swapped", swapped, Why.CONFIG, "each in the other's folder"),
    no(
        "unet-config-of-a-vae",
        partial(put, files={CONFIG: json.dumps(base.VAE)}),
        Why.CONFIG,
        "the VAE's config in the UNet's folder",
    ),
    no("folder-nf4", quantized, Why.FORMAT, "four bits by bitsandbytes"),
    # Numbers that are none
    *(
        Case(
            name=f"folder-{name}",
            build=build,
            truth="a number that is none, which only reading the weights tells",
            can=Can.HEADERS,
            why=Why.VALUES,
        )
        for name, build in (
            ("nan-in-a-shard", spoilt_shard),
            (
                "minus-infinity-in-text-2",
                partial(spoilt, family="sdxl", component="text_encoder_2", value=-np.inf),
            ),
            ("nan-in-vae", partial(spoilt, family="sd1", component="vae", value=np.nan)),
        )
    ),
)
