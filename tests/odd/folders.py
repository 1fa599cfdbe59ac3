"""Folders in diffusers' layout with odd files: extra, renamed or sharded ones."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np

from tests.convert.weights.torch_files import write_zip
from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes

UNET = "unet/diffusion_pytorch_model.safetensors"
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(64)


def sd1(at: Path) -> Path:
    return base.write_folder(at / "model")


def put(at: Path, files: dict[str, bytes | str]) -> Path:
    """Write a valid model, then add or replace files."""
    model = sd1(at)
    for name, content in files.items():
        base.write(model / name, content)
    return model


def without(at: Path, *names: str, more: dict[str, bytes | str] | None = None) -> Path:
    """Write a valid model, remove the named files and folders, then write the files `more`."""
    model = sd1(at)
    for name in names:
        place = model / name
        files = [place] if place.is_file() else sorted(place.rglob("*"))
        for file in files:
            file.unlink()
        if place.is_dir():
            place.rmdir()
    for name, content in (more or {}).items():
        base.write(model / name, content)
    return model


def renamed(at: Path, old: str, new: str) -> Path:
    model = sd1(at)
    (model / old).rename(model / new)
    return model


def sharded(
    at: Path,
    *,
    index: str = "diffusion_pytorch_model.safetensors.index.json",
    names: tuple[str, str] = (
        "diffusion_pytorch_model-00001-of-00002.safetensors",
        "diffusion_pytorch_model-00002-of-00002.safetensors",
    ),
    drop: tuple[str, ...] = (),
    ghost: bool = False,
    start: str = "",
) -> Path:
    """Write a model whose UNet is in two shards.

    `drop` names shards that are left out. With `ghost`, the index lists a tensor that no shard
    has.
    """
    model = without(at, UNET)
    tensors = base.tensors_of(base.SD1_UNET)
    halves = np.array_split(list(tensors), 2)
    weight_map: dict[str, str] = {}
    for name, half in zip(names, halves, strict=True):
        part = {str(key): tensors[key] for key in half}
        if name.endswith(".bin"):
            write_zip(model / "unet" / name, part)
        else:
            base.write(model / "unet" / name, base.safetensors(part))
        weight_map |= dict.fromkeys(part, name)
    if ghost:
        weight_map["ghost.weight"] = names[1]
    if index:
        text = json.dumps({"metadata": {}, "weight_map": weight_map})
        base.write(model / "unet" / index, start + text)
    for name in drop:
        (model / "unet" / name).unlink()
    return model


def variants(at: Path, *, components: tuple[str, ...], variant: str = "fp16") -> Path:
    """Write a model in which these components' weights exist only as a variant, such as fp16."""
    model = sd1(at)
    for name in components:
        plain = base.weights(model, name)
        plain.rename(plain.with_suffix(f".{variant}.safetensors"))
    return model


def pickled(at: Path, name: str) -> Path:
    """Write a model with one component's weights as a pickle, at the path `name`."""
    model = sd1(at)
    component = name.split("/", maxsplit=1)[0]
    base.weights(model, component).unlink()
    write_zip(model / name, base.tensors_of(base.MODELS["sd1"][component]))
    return model


CASES: tuple[Case, ...] = (
    # What stands beside the files
    yes(
        "apple-double-beside-weights",
        partial(
            put,
            files={
                "unet/._diffusion_pytorch_model.safetensors": APPLE_DOUBLE,
                "text_encoder/._model.safetensors": APPLE_DOUBLE,
                "vae/._config.json": APPLE_DOUBLE,
            },
        ),
        "macOS's ._ files, which every copy to a foreign disk makes, mean nothing",
    ),
    yes(
        "apple-double-everywhere",
        partial(put, files={"._model_index.json": APPLE_DOUBLE, "._unet": APPLE_DOUBLE}),
        "the same beside the index",
    ),
    yes(
        "both-formats",
        lambda at: put(pickled(at, "unet/diffusion_pytorch_model.bin").parent, {}),
        "safetensors and a .bin of the same weights side by side",
    ),
    yes(
        "ds-store",
        partial(put, files={".DS_Store": bytes(64), "unet/.DS_Store": bytes(64)}),
        "the Finder's notes",
    ),
    yes(
        "leftover-of-a-download",
        partial(put, files={".cache/huggingface/download/unet/x.lock": "", "unet/.lock": ""}),
        "locks that the hub's client left in a finished download",
    ),
    yes(
        "training-leftovers",
        partial(put, files={"unet/optimizer.bin": bytes(99), "unet/random_states_0.pkl": b"\x80"}),
        "an optimizer's state beside the weights",
    ),
    yes(
        "readme-and-pictures", partial(put, files={"README.md": "#", "a.png": b"\x89PNG"}), "papers"
    ),
    yes(
        "copy-beside-original",
        lambda at: put(at, {"unet/diffusion_pytorch_model (1).safetensors": b"half"}),
        "a second, broken download beside the whole file",
    ),
    # Names of weight files
    yes(
        "copy-one-only",
        partial(renamed, old=UNET, new="unet/diffusion_pytorch_model (1).safetensors"),
        "the browser's name for a second download; the only weights there",
    ),
    yes(
        "copy-in-finder",
        partial(renamed, old=UNET, new="unet/diffusion_pytorch_model copy.safetensors"),
        "the Finder's name for a copy; the only weights there",
    ),
    no(
        "nameless-blob",
        partial(renamed, old=UNET, new=f"unet/{'e3b0c44298fc1c14' * 4}"),
        Why.INCOMPLETE,
        "weights under the name of their digest, as in a cache's blobs",
        also=Can.YES,
    ),
    no(
        "config-copy-one",
        partial(renamed, old="unet/config.json", new="unet/config (1).json"),
        Why.INCOMPLETE,
        "a config under a second download's name",
        also=Can.YES,
    ),
    yes(
        "bin-is-safetensors",
        partial(renamed, old=UNET, new="unet/diffusion_pytorch_model.bin"),
        "safetensors under a pickle's name",
    ),
    yes(
        "safetensors-is-pickle",
        partial(pickled, name=UNET),
        "a pickle under safetensors' name",
    ),
    yes("pickles-only", partial(pickled, name="unet/diffusion_pytorch_model.bin"), "a .bin UNet"),
    yes(
        "fp16-everywhere",
        partial(variants, components=("unet", "vae", "text_encoder")),
        "only the fp16 variant was downloaded",
    ),
    yes("fp16-unet", partial(variants, components=("unet",)), "one component in a variant"),
    yes("non-ema-unet", partial(variants, components=("unet",), variant="non_ema"), "a variant"),
    # Shards
    yes("shards", sharded, "a UNet in two safetensors shards"),
    yes(
        "pickled-shards",
        partial(
            sharded,
            index="diffusion_pytorch_model.bin.index.json",
            names=(
                "diffusion_pytorch_model-00001-of-00002.bin",
                "diffusion_pytorch_model-00002-of-00002.bin",
            ),
        ),
        "the case that started the project",
    ),
    yes(
        "index-of-any-name",
        partial(
            sharded, index="unet.safetensors.index.json", names=("a.safetensors", "b.safetensors")
        ),
        "one index, of no usual name, and its shards",
    ),
    yes(
        "shards-of-any-name",
        partial(sharded, names=("part (1).safetensors", "part (2).safetensors")),
        "an index of the usual name that names odd shards, all there",
    ),
    yes(
        "variant-shards",
        partial(
            sharded,
            index="diffusion_pytorch_model.safetensors.index.fp16.json",
            names=(
                "diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
                "diffusion_pytorch_model.fp16-00002-of-00002.safetensors",
            ),
        ),
        "the fp16 variant in shards",
    ),
    yes("index-with-mark", partial(sharded, start="\ufeff"), "an index that begins with a BOM"),
    no(
        "shards-without-index", partial(sharded, index=""), Why.INCOMPLETE, "no index", also=Can.YES
    ),
    no(
        "shard-missing",
        partial(sharded, drop=("diffusion_pytorch_model-00002-of-00002.safetensors",)),
        Why.INCOMPLETE,
        "the second shard is not there",
    ),
    no(
        "index-names-a-ghost",
        partial(sharded, ghost=True),
        Why.DAMAGED,
        "the index names a tensor that its shard does not have",
    ),
    no(
        "index-alone",
        partial(
            sharded,
            drop=(
                "diffusion_pytorch_model-00001-of-00002.safetensors",
                "diffusion_pytorch_model-00002-of-00002.safetensors",
            ),
        ),
        Why.INCOMPLETE,
        "an index and none of its shards",
    ),
)
