"""The model to convert: its layout, and each weight file judged by its first bytes and its header.

Nothing is executed or loaded: a 10 GB folder is read in milliseconds. The containers themselves are
judged by the converter's own readers, so that the doctor and the conversion cannot disagree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from doctor.facts import Absent, Component, ModelFolder, Unknown, WeightFile

SUFFIXES = (".safetensors", ".bin", ".ckpt", ".pt", ".pth")
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2", "safety_checker", "transformer")
TOKENIZER = ("tokenizer", "tokenizer_2")
INDEX = "model_index.json"
_HEAD = 512
_SUSPECT = 64 * 1024
"""A weight file below this size may be a page or a pointer; a real one is megabytes."""


def model(path: str) -> ModelFolder | Absent | Unknown:
    """What lies at `path`; a path that is not there is a model of kind "none" with near misses."""
    if not path:
        return Absent(absent="no model given")
    place = Path(path)
    if place.is_file():
        return _single_file(place)
    if not place.is_dir():
        return ModelFolder(
            path=path,
            kind="none",
            family="unknown",
            pipeline="",
            size=0,
            components=(),
            tokenizer=(),
        )
    return _folder(place)


def _single_file(path: Path) -> ModelFolder:
    weights = weight_file(path)
    part = Component(
        name="checkpoint", folder=str(path.parent), config={}, index="", weights=(weights,)
    )
    return ModelFolder(
        path=str(path),
        kind="single-file",
        family="unknown",
        pipeline="",
        size=weights.size,
        components=(part,),
        tokenizer=(),
    )


def _folder(path: Path) -> ModelFolder:
    index, fault = _json(path / INDEX)
    present = [name for name in PARTS if (path / name).is_dir()]
    named = [name for name, value in index.items() if name in PARTS and _is_used(value)]
    components = tuple(component(path / name) for name in dict.fromkeys((*named, *present)))
    return ModelFolder(
        path=str(path),
        kind="diffusers" if (path / INDEX).is_file() else "none",
        family=_family(index, components),
        pipeline=str(index.get("_class_name", "")),
        size=sum(file.size for part in components for file in _chosen(part)),
        components=components,
        tokenizer=tuple(sorted(_tokenizer(path))),
        prediction=str(
            _json(path / "scheduler" / "scheduler_config.json")[0].get("prediction_type", "")
        ),
        faults=(fault,) if fault and (path / INDEX).exists() else (),
        nearby=() if index else _nearby(path),
    )


def _is_used(value: object) -> bool:
    """model_index.json names a part as [library, class]; nulls stand for a part left out."""
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _nearby(path: Path) -> tuple[str, ...]:
    """Where the model may be instead: one level up or down, or checkpoint files right here."""
    places = [path.parent, *sorted(child for child in path.iterdir() if child.is_dir())]
    folders = [str(place) for place in places if (place / INDEX).is_file()]
    files = [str(child) for child in sorted(path.iterdir()) if child.suffix in SUFFIXES]
    return tuple(folders + files)


def component(folder: Path) -> Component:
    """One component folder; an absent one has no weights and a fault that says so."""
    if not folder.is_dir():
        return Component(
            name=folder.name,
            folder=str(folder),
            config={},
            index="",
            weights=(),
            faults=("missing",),
        )
    config, fault = _json(folder / "config.json")
    names = sorted(entry.name for entry in folder.iterdir())
    index = next((name for name in names if name.endswith(".index.json")), "")
    shards, missing, index_fault = _shards(folder / index) if index else ((), (), "")
    files = [name for name in names if Path(name).suffix in SUFFIXES]
    return Component(
        name=folder.name,
        folder=str(folder),
        config={key: _plain(value) for key, value in config.items()},
        index=index,
        weights=tuple(weight_file(folder / name) for name in dict.fromkeys((*shards, *files))),
        missing=missing,
        variants=tuple(sorted({_variant(name) for name in files})),
        nameless=tuple(name for name in names if "." not in name),
        faults=tuple(filter(None, (fault, index_fault))),
    )


def _plain(value: Any) -> Any:  # noqa: ANN401  a JSON value
    """Lists as tuples, anything deeper as its JSON text: enough to judge a configuration."""
    if isinstance(value, list):
        return tuple(
            item if not isinstance(item, (list, dict)) else json.dumps(item) for item in value
        )
    return json.dumps(value) if isinstance(value, dict) else value


def _variant(name: str) -> str:
    """The middle of `diffusion_pytorch_model.fp16.safetensors`, or "" for the plain weights."""
    parts = name.split(".")
    return parts[1].partition("-")[0] if len(parts) > 2 else ""  # noqa: PLR2004


def _shards(index: Path) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Names of the shards that are there, of those that are missing, and the index's own fault."""
    content, fault = _json(index)
    table = content.get("weight_map")
    if fault or not isinstance(table, dict) or not table:
        return (), (), fault or f"{index.name} has no weight_map"
    names = sorted({str(name) for name in table.values()})
    here = tuple(name for name in names if (index.parent / name).exists())
    return here, tuple(name for name in names if name not in here), ""


def _json(path: Path) -> tuple[Mapping[str, Any], str]:
    """The object in a JSON file, and why there is none."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        return {}, f"{path.name}: {error.strerror}"
    except ValueError:
        return {}, f"{path.name} is not JSON"
    return (content, "") if isinstance(content, dict) else ({}, f"{path.name} is not an object")


def _tokenizer(path: Path) -> Iterable[str]:
    for folder in TOKENIZER:
        for name in ("vocab.json", "merges.txt", "tokenizer.json"):
            if (path / folder / name).is_file():
                yield f"{folder}/{name}"


def _chosen(part: Component) -> tuple[WeightFile, ...]:
    """The files a conversion reads: one format and one variant, not every copy of the weights."""
    plain = [file for file in part.weights if not _variant(Path(file.path).name)] or list(
        part.weights
    )
    safe = tuple(file for file in plain if file.path.endswith(".safetensors"))
    return safe or tuple(plain)


_WIDTHS = {768: "sd1", 1024: "sd2", 1280: "sdxl-refiner", 2048: "sdxl"}


def _family(index: Mapping[str, Any], components: Iterable[Component]) -> str:
    """The architecture family, from the pipeline's class and the UNet's configuration."""
    pipeline = str(index.get("_class_name", ""))
    if "3" in pipeline or "Flux" in pipeline:
        return "sd3" if "3" in pipeline else "flux"
    unet = next((part.config for part in components if part.name == "unet"), {})
    match unet.get("in_channels"):
        case 9:
            return "inpainting"
        case 8:
            return "instruct-pix2pix"
    width = unet.get("cross_attention_dim")
    if isinstance(width, tuple):
        width = width[0] if width else None
    return _WIDTHS.get(width, "unknown") if isinstance(width, int) else "unknown"


def weight_file(path: Path) -> WeightFile:
    """Judge one file; the converter's own reader says whether its container is whole and safe."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        return WeightFile(
            path=str(path), kind="unreadable", size=0, fault=error.strerror or "unreadable"
        )
    kind = kind_of(head, size, path.suffix)
    if kind not in {"safetensors", "pickle"}:
        return WeightFile(path=str(path), kind=kind, size=size)
    fault, unsafe = _container(path)
    return WeightFile(path=str(path), kind=kind, size=size, fault=fault, unsafe=unsafe)


def kind_of(head: bytes, size: int, suffix: str) -> str:
    """What a file with this beginning is, whatever its name says."""
    text = head.lstrip().lower()
    if not size:
        return "empty"
    if head.startswith(b"version https://git-lfs"):
        return "lfs-pointer"
    if text.startswith((b"<", b'{"error', b"{'error")) or (size < _SUSPECT and b"<html" in text):
        return "web-page"
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return "pickle"
    if suffix == ".safetensors":
        return "safetensors"
    return "other"


def _container(path: Path) -> tuple[str, tuple[str, ...]]:
    """The reader's complaint, and the names it refuses to see in a pickle."""
    from convert.errors import ConvertError, UnsafePickleError
    from convert.weights.source import open_checkpoint

    try:
        open_checkpoint(path)
    except UnsafePickleError as error:
        return "", (str(error).removeprefix(f"{path}: "),)
    except ConvertError as error:
        return str(error).removeprefix(f"{path}: "), ()
    return "", ()
