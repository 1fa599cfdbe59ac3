"""Odd inputs, fourth part: Git pointers, downloads, pickles, and absurd numbers in configs."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.convert.weights import torch_files as torch
from tests.odd import base
from tests.odd.addons import file
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.configs import edited, rewritten
from tests.odd.files import UNET, VAE, content, kept, respelt
from tests.odd.folders import APPLE_DOUBLE, put, renamed, sd1, sharded
from tests.odd.later_folders import CONFIG, INDEX, TEXT_CONFIG, VAE_CONFIG
from tests.odd.meaning import rescheduled
from tests.odd.places import files
from tests.odd.shapes import kohya

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
XET = b"# xet version 0\nfilesize = 3438167540\nhash = '0123456789abcdef'\n"
ANNEX = b"/annex/objects/SHA256E-s3438167540--" + b"0" * 64 + b".safetensors\n"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(64)
HUGE = 10**9


def of_two_kinds(at: Path) -> Path:
    """Write a single file as a pickle, with weights in bfloat16."""
    base.write_tokenizer(at / "tokenizer")
    tensors = base.original("sd1")
    kind = torch.name("torch", "BFloat16Storage")
    parts, wide = {}, {}
    for number, (key, array) in enumerate(tensors.items()):
        fields = (torch.text("storage"), kind, torch.text(str(number)), torch.text("cpu"))
        on = torch.group(*fields, torch.integer(array.size)) + b"Q"
        parts[key] = torch.tensor(on, array.shape)
        wide[key] = (array.astype("f4").view("u4") >> 16).astype("u2")
    root = torch.mapping({"state_dict": torch.mapping(parts)})
    return torch.write_zip(at / "model.ckpt", wide, pickled=torch.finished(root))


def with_settings(at: Path) -> Path:
    """Write a pickle with a trainer's settings beside the weights, as an object of a class."""
    base.write_tokenizer(at / "tokenizer")
    tensors = base.original("sd1")
    parts = {
        key: torch.tensor(torch.storage(str(n), array.dtype.name, array.size), array.shape)
        for n, (key, array) in enumerate(tensors.items())
    }
    settings = torch.call(torch.name("omegaconf.dictconfig", "DictConfig"))
    root = torch.mapping({"state_dict": torch.mapping(parts), "hyper_parameters": settings})
    return torch.write_zip(at / "model.ckpt", tensors, pickled=torch.finished(root))


def zip_of_a_file(at: Path) -> Path:
    with zipfile.ZipFile(at / "model.zip", "w") as archive:
        archive.writestr("model.safetensors", base.file_bytes("sd1"))
    return at / "model.zip"


def whole_in_shards(at: Path) -> Path:
    """Write a whole model in the original layout, in two shards with an index."""
    base.write_tokenizer(at / "tokenizer")
    tensors = base.original("sd1")
    places: dict[str, str] = {}
    for number, half in enumerate(np.array_split(list(tensors), 2), start=1):
        name = f"model-0000{number}-of-00002.safetensors"
        part = {str(key): tensors[key] for key in half}
        base.write(at / name, base.safetensors(part))
        places |= dict.fromkeys(part, name)
    return base.write(at / "model.safetensors.index.json", {"weight_map": places})


def annexed(at: Path) -> Path:
    """Write a model whose UNet weights are git-annex's link to a file that was not fetched."""
    model = sd1(at)
    (model / WEIGHTS).unlink()
    (model / WEIGHTS).symlink_to("../../.git/annex/objects/Xx/Yy/SHA256E-s9--0")
    return model


def linked_out(at: Path) -> Path:
    """Write a model whose weights are links into another folder."""
    model = sd1(at)
    other = at / "other" / "weights.safetensors"
    other.parent.mkdir()
    (model / WEIGHTS).rename(other)
    (model / WEIGHTS).symlink_to(other)
    return model


def crowded(at: Path) -> Path:
    model = sd1(at)
    for number in range(500):
        base.write(model / f"sample-{number}.png", b"\x89PNG")
    return model


def roundabout(at: Path) -> Path:
    return sd1(at) / ".." / "model"


def deep(at: Path) -> Path:
    return base.write_folder(at.joinpath(*"abcdefghijklmnopqrstuvwxyz") / "model")


def one_of_one(at: Path) -> Path:
    """Write a model with weights in one shard, and the index that lists it."""
    name = "diffusion_pytorch_model-00001-of-00001.safetensors"
    model = renamed(at, WEIGHTS, f"unet/{name}")
    places = dict.fromkeys(base.tensors_of(base.SD1_UNET), name)
    index = "diffusion_pytorch_model.safetensors.index.json"
    base.write(model / "unet" / index, {"weight_map": places})
    return model


def second_vae(at: Path) -> Path:
    """Write SDXL with an older VAE in `vae_1_0`, which model_index.json does not list."""
    model = base.write_folder(at / "model", "sdxl")
    base.write(model / "vae_1_0" / "config.json", base.VAE)
    base.write(base.weights(model, "vae_1_0"), base.component_bytes("sd1", "vae"))
    return model


def replaced_folder(at: Path, name: str) -> Path:
    model = sd1(at)
    for place in (model / name).iterdir():
        place.unlink()
    (model / name).rmdir()
    base.write(model / name, b"x")
    return model


def scaled(at: Path, scale: float) -> Path:
    model = base.write_folder(at / "model", "sdxl")
    base.edit(model / VAE_CONFIG, scaling_factor=scale)
    return model


def looped(at: Path) -> Path:
    model = sharded(at)
    shard = model / "unet" / "diffusion_pytorch_model-00002-of-00002.safetensors"
    shard.unlink()
    shard.symlink_to(shard.name)
    return model


ABSURD: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("layers", CONFIG, {"layers_per_block": HUGE}),
    ("negative-layers", CONFIG, {"layers_per_block": -2}),
    ("channels", CONFIG, {"block_out_channels": [HUGE * 32, HUGE * 32]}),
    ("no-channels", CONFIG, {"block_out_channels": []}),
    ("null-channels", CONFIG, {"in_channels": None}),
    ("groups", CONFIG, {"norm_num_groups": 0}),
    ("heads", CONFIG, {"attention_head_dim": 0}),
    ("depth", CONFIG, {"transformer_layers_per_block": HUGE}),
    ("blocks", TEXT_CONFIG, {"num_hidden_layers": HUGE}),
    ("words", TEXT_CONFIG, {"vocab_size": HUGE * HUGE}),
    ("text-heads", TEXT_CONFIG, {"num_attention_heads": 0}),
    ("vae-layers", VAE_CONFIG, {"layers_per_block": HUGE}),
    ("vae-scale", VAE_CONFIG, {"scaling_factor": 0}),
    ("levels-of-down", CONFIG, {"down_block_types": ["CrossAttnDownBlock2D"] * 3}),
    ("levels-of-layers", CONFIG, {"layers_per_block": [2]}),
    ("levels-of-depth", CONFIG, {"transformer_layers_per_block": [1]}),
    ("shift", CONFIG, {"freq_shift": 1e30}),
)
"""Config values that no model has, which must be rejected quickly."""

CASES: tuple[Case, ...] = (
    # Not fetched, or not to the end
    no(
        "pointer-of-xet",
        partial(content, data=XET),
        Why.DOWNLOAD,
        "Xet's pointer",
        says="xet|pointer",
    ),
    no(
        "pointer-of-annex",
        partial(content, data=ANNEX),
        Why.DOWNLOAD,
        "git-annex's",
        says="annex|pointer",
    ),
    no("link-of-annex", annexed, Why.DOWNLOAD, "git-annex's link to nothing"),
    *(
        no(
            f"unfinished-{word}",
            partial(
                content, data=base.file_bytes("sd1")[:9999], name=f"model.safetensors.{suffix}"
            ),
            Why.DOWNLOAD,
            "a download that was not finished",
            says="finish|download",
        )
        for word, suffix in (("partial", "partial"), ("torrent", "!qB"), ("opera", "opdownload"))
    ),
    no("zip-of-a-file", zip_of_a_file, Why.FORMAT, "one file in a zip file", says="unpack"),
    no(
        "apple-double-itself",
        partial(content, data=APPLE_DOUBLE, name="._model.safetensors"),
        Why.NOT_A_MODEL,
        "macOS's notes on a file in place of the file",
        says="macOS|AppleDouble",
    ),
    no("picture-as-model", partial(content, data=JPEG), Why.NOT_A_MODEL, "a preview picture"),
    no(
        "pdf",
        partial(files, name="x", names={"paper.pdf": b"%PDF-1.7\n"}, give="paper.pdf"),
        Why.NOT_A_MODEL,
        "a paper",
    ),
    # Pickles and files
    yes("ckpt-of-bfloat16", of_two_kinds, "a pickle in bfloat16"),
    yes(
        "ckpt-with-settings", with_settings, "settings by a class that is never called", also=Can.NO
    ),
    yes("index-of-a-whole-model", whole_in_shards, "an index of shards", also=Can.NO),
    no(
        "file-vae-by-comfys-start",
        lambda at: respelt(at, (VAE, "vae.")),
        Why.INCOMPLETE,
        "the VAE under another start",
        also=Can.YES,
    ),
    yes(
        "sdxl-file-without-vae-and-one-given",
        lambda at: kept(at, UNET, "conditioner.", family="sdxl"),
        "no VAE, and one given that is not there",
        options=("--vae", "{case}/nowhere"),
        alone=Can.NO,
        also=Can.NO,
    ),
    no(
        "lora-labelled",
        lambda at: base.write(
            at / "style.safetensors",
            base.safetensors(
                base.drawn(kohya()), {"modelspec.architecture": "stable-diffusion-v1/lora"}
            ),
        ),
        Why.ADD_ON,
        "a LoRA whose metadata say so",
        says="--lora",
    ),
    no(
        "unet-of-kolors",
        partial(
            file,
            shapes={
                "encoder_hid_proj.weight": (2048, 4096),
                "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (64, 64),
                "conv_in.weight": (32, 4, 3, 3),
            },
            name="kolors_unet.safetensors",
        ),
        Why.COMPONENT,
        "Kolors' UNet",
    ),
    # Folders
    yes("weights-linked-out", linked_out, "links to another disk"),
    yes("crowded", crowded, "hundreds of pictures"),
    yes("roundabout", roundabout, "a path with two dots"),
    yes("deep", deep, "a deep path"),
    yes("shard-of-one", one_of_one, "one shard of one"),
    yes("sdxl-second-vae", second_vae, "an older VAE that is not listed"),
    yes(
        "variant-bf16",
        partial(renamed, old=WEIGHTS, new="unet/diffusion_pytorch_model.bf16.safetensors"),
        "a rarer variant",
    ),
    yes(
        "index-without-class",
        partial(edited, name=INDEX, _class_name=...),
        "an index that does not name its pipeline",
    ),
    yes(
        "index-of-flax-class",
        partial(edited, name=INDEX, unet=["diffusers", "FlaxUNet2DConditionModel"]),
        "Flax's class, and PyTorch's weights",
        also=Can.NO,
    ),
    yes(
        "index-with-a-third",
        partial(edited, name=INDEX, text_encoder_3=[None, None], transformer=[None, None]),
        "components of another family that are absent",
    ),
    yes(
        "config-in-windows-lines",
        partial(rewritten, name=CONFIG, change=lambda t: t.replace("\n", "\r\n") + "\r\n\r\n"),
        "Windows' line ends",
    ),
    no(
        "config-in-single-quotes",
        partial(rewritten, name=CONFIG, change=lambda t: t.replace('"', "'")),
        Why.DAMAGED,
        "Python's quotes",
    ),
    no(
        "tokenizer-is-a-file",
        lambda at: replaced_folder(at, "tokenizer"),
        Why.UNREADABLE,
        "a file in place of a folder",
    ),
    no(
        "merges-of-bytes",
        partial(put, files={"tokenizer/merges.txt": b"\xff\xfe\x00\x01" * 9}),
        Why.TOKENIZER,
        "no text",
    ),
    yes(
        "sdxl-with-scale-of-sd1",
        lambda at: scaled(at, 0.18215),
        "SDXL's VAE folder with SD 1.x's scale, which the programs make up for",
    ),
    # Absurd values
    *(
        no(f"absurd-{word}", partial(edited, name=name, **changes), Why.CONFIG, f"{changes}")
        for word, name, changes in ABSURD
    ),
    *(
        no(
            f"absurd-schedule-{word}",
            partial(rescheduled, family="sd1", changes=changes),
            Why.SCHEDULE,
            f"{changes}",
        )
        for word, changes in (
            ("steps", {"num_train_timesteps": HUGE}),
            ("start", {"beta_start": -1}),
            ("word", {"beta_schedule": 5}),
            ("shards", {"trained_betas": ["a"] * 1000}),
        )
    ),
    no(
        "shards-through-a-loop",
        looped,
        Why.UNREADABLE,
        "a shard that is a link to itself",
    ),
)
