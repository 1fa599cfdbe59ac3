"""Folders with missing files, damaged files, or files that are not what their name says."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.folders import UNET, pickled, put, renamed, sd1, without

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Log in</body></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
DENIED = b'{"error":"Access to model a/b is restricted. You must be authenticated."}'
ICLOUD = "unet/.diffusion_pytorch_model.safetensors.icloud"


def lacking(at: Path, name: str) -> Path:
    """Write a model without the folder of one component."""
    return without(at, name)


def cached(at: Path, *, give: str, dangling: bool = False) -> Path:
    """Write a model as in Hugging Face's cache: blobs, and a snapshot of links to them.

    Returns the path to pass as MODEL: `give` is `root`, `snapshot`, or a path in the cache's
    folder. With `dangling`, the blobs of UNet and VAE weights are missing.
    """
    source = base.write_folder(at / "source")
    root = at / "models--somebody--model"
    snapshot = root / "snapshots" / ("a" * 40)
    base.write(root / "refs" / "main", "a" * 40)
    for number, file in enumerate(sorted(f for f in source.rglob("*") if f.is_file())):
        link = snapshot / file.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        blob = base.write(root / "blobs" / f"{number:064x}", file.read_bytes())
        link.symlink_to(os.path.relpath(blob, link.parent))
        if dangling and file.name == "diffusion_pytorch_model.safetensors":
            blob.rename(blob.with_suffix(".incomplete"))
        file.unlink()
    return root if give == "root" else snapshot if give == "snapshot" else root / give


def special(at: Path, make: Callable[[Path], None]) -> Path:
    """Write a model with a UNet weight file that `make` creates, such as a pipe or a link."""
    model = without(at, UNET)
    make(model / UNET)
    return model


def halved(model: Path, pattern: str) -> Path:
    """Truncate a file to its first half."""
    for file in model.glob(pattern):
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 2])
    return model


def cut(at: Path, name: str, share: float) -> Path:
    """Write a model with one truncated file."""
    model = sd1(at)
    data = (model / name).read_bytes()
    return put(at, {name: data[: int(len(data) * share)]})


def listed(at: Path, **entries: list[str | None]) -> Path:
    """Write a model with changed or added entries in model_index.json."""
    model = sd1(at)
    base.edit(model / "model_index.json", **entries)
    return model


CASES: tuple[Case, ...] = (
    # Weights that are none
    *(
        no(f"{name}-as-{component}", partial(put, files={file: content}), why, truth)
        for name, content, why, truth in (
            ("page", PAGE, Why.DOWNLOAD, "a web page saved as weights"),
            ("pointer", POINTER, Why.DOWNLOAD, "a Git LFS pointer"),
            ("denial", DENIED, Why.DOWNLOAD, "the hub's refusal saved as weights"),
            ("nothing", b"", Why.DOWNLOAD, "a file of zero bytes"),
            ("zeros", bytes(4096), Why.DAMAGED, "a file of zeros only"),
        )
        for component, file in (
            ("unet", UNET),
            ("text-encoder", "text_encoder/model.safetensors"),
        )
    ),
    *(
        no(f"{name}-as-index", partial(put, files={"model_index.json": content}), why, truth)
        for name, content, why, truth in (
            ("page", PAGE, Why.DOWNLOAD, "a web page saved as model_index.json"),
            ("pointer", POINTER, Why.DOWNLOAD, "a Git LFS pointer as model_index.json"),
            ("nothing", b"", Why.DAMAGED, "model_index.json of zero bytes"),
        )
    ),
    no("truncated-unet", partial(cut, name=UNET, share=0.7), Why.DAMAGED, "a file cut short"),
    no("truncated-header", partial(cut, name=UNET, share=0.01), Why.DAMAGED, "a header cut short"),
    no(
        "truncated-pickle",
        lambda at: halved(pickled(at, "unet/diffusion_pytorch_model.bin"), "unet/*.bin"),
        Why.DAMAGED,
        "half a pickle",
    ),
    yes(
        "icloud-leftover",
        partial(put, files={"unet/.other.safetensors.icloud": b"bplist00"}),
        "iCloud keeps another file elsewhere, and the weights are here",
    ),
    no(
        "icloud-weights-only",
        lambda at: without(at, UNET, more={ICLOUD: b"bplist00"}),
        Why.DOWNLOAD,
        "iCloud keeps the weights elsewhere; only a placeholder is here",
    ),
    no(
        "icloud-config",
        lambda at: without(at, "unet/config.json", more={"unet/.config.json.icloud": b"bplist00"}),
        Why.DOWNLOAD,
        "iCloud keeps the config elsewhere",
    ),
    # The hub's cache and unfinished downloads
    yes("snapshot", partial(cached, give="snapshot"), "a snapshot of links to blobs, all there"),
    no(
        "cache-root",
        partial(cached, give="root"),
        Why.NOT_A_MODEL,
        "the cache's root",
        also=Can.YES,
    ),
    no("cache-blobs", partial(cached, give="blobs"), Why.NOT_A_MODEL, "the cache's blobs"),
    no("cache-refs", partial(cached, give="refs/main"), Why.NOT_A_MODEL, "a name of a revision"),
    no(
        "snapshot-with-dangling-links",
        partial(cached, give="snapshot", dangling=True),
        Why.DOWNLOAD,
        "links to blobs that were never finished",
    ),
    no(
        "incomplete-in-local-folder",
        lambda at: without(
            at, UNET, more={".cache/huggingface/download/unet/x.incomplete": bytes(99)}
        ),
        Why.DOWNLOAD,
        "the hub's client was interrupted while it fetched the UNet",
    ),
    no(
        "browser-download",
        partial(renamed, old=UNET, new=f"{UNET}.crdownload"),
        Why.DOWNLOAD,
        "a browser's unfinished download",
    ),
    # No regular files
    no("weights-are-a-folder", partial(special, make=Path.mkdir), Why.UNREADABLE, "a folder"),
    no("weights-are-a-pipe", partial(special, make=os.mkfifo), Why.UNREADABLE, "a named pipe"),
    no(
        "weights-are-a-loop",
        partial(special, make=lambda place: place.symlink_to(place.name)),
        Why.UNREADABLE,
        "a link to itself",
    ),
    no(
        "weights-are-null",
        partial(special, make=lambda place: place.symlink_to("/dev/null")),
        Why.UNREADABLE,
        "a link to /dev/null",
    ),
    # Components missing
    yes(
        "safety-checker-listed-only",
        partial(
            listed,
            safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
            feature_extractor=["transformers", "CLIPImageProcessor"],
        ),
        "what no conversion needs was not downloaded",
    ),
    yes(
        "feature-extractor-listed-only",
        partial(listed, feature_extractor=["transformers", "CLIPFeatureExtractor"]),
        "the same of the feature extractor",
    ),
    yes(
        "image-encoder-listed-only",
        partial(listed, image_encoder=["transformers", "CLIPVisionModelWithProjection"]),
        "the same of an IP-Adapter's image encoder",
    ),
    *(
        no(
            f"no-{name}",
            partial(lacking, name=name),
            Why.INCOMPLETE,
            name,
        )
        for name in ("unet", "vae", "text_encoder", "tokenizer")
    ),
    yes(
        "no-scheduler",
        lambda at: without(at, "scheduler"),
        "without a scheduler, what it predicts can only be assumed",
        says="assum",
    ),
    no(
        "no-unet-config",
        lambda at: without(at, "unet/config.json"),
        Why.INCOMPLETE,
        "config.json is missing",
    ),
    no(
        "no-unet-weights",
        lambda at: without(at, UNET),
        Why.INCOMPLETE,
        "no weights for the UNet",
    ),
    yes(
        "no-index",
        lambda at: without(at, "model_index.json"),
        "no model_index.json, every component there",
    ),
)
