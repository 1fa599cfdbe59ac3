"""The model to convert: its layout, its parts, and what the converter itself says of them.

Nothing is executed or loaded: a 10 GB folder is read in milliseconds.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcoreml.doctor.core.facts import Absent
from sdcoreml.doctor.core.subjects import Component, ModelFolder, WeightFile
from sdcoreml.doctor.gather.weights import (
    SUFFIXES,
    Shapes,
    holdings,
    mismatches,
    opened,
)

PARTS = ("unet", "vae", "text_encoder", "text_encoder_2", "safety_checker", "transformer")
INDEX = "model_index.json"


def model(path: str) -> ModelFolder | Absent:
    """What lies at `path`; a path that is not there is a model of kind "missing"."""
    if not path:
        return Absent(reason="no model given")
    place = Path(path)
    if place.is_file():
        return _single_file(place)
    if not place.is_dir():
        return ModelFolder(path=path, kind="missing")
    return _controlnet(place) or _folder(place)


def _controlnet(path: Path) -> ModelFolder | None:
    """The folder of a ControlNet: one component, and no index."""
    from sdcoreml.convert.models.controlnet import is_controlnet, read_controlnet

    if not is_controlnet(path):
        return None
    part = component(path)
    return ModelFolder(
        path=str(path),
        kind="controlnet",
        family=read_controlnet(path).family.value,
        needed=(part.name,),
        size=sum(file.size for file in _chosen(part)),
        components=(part,),
    )


def _single_file(path: Path) -> ModelFolder:
    weights, shapes = opened(path)
    whole = Component(name="checkpoint", folder=str(path.parent), weights=(weights,))
    family, parts = _inside(path, shapes)
    return ModelFolder(
        path=str(path),
        kind="single-file",
        family=family,
        needed=tuple(part.name for part in parts),
        size=weights.size,
        components=(whole, *parts),
        holds=holdings(shapes),
    )


def _inside(path: Path, shapes: Shapes) -> tuple[str, tuple[Component, ...]]:
    """The family of a whole model in one file, and the parts that are converted."""
    from sdcoreml.convert.bundle.families import PROGRAMS
    from sdcoreml.convert.models.configs import IMAGE_SIZES, SIZE_STEPS
    from sdcoreml.convert.models.contents import Kind, recognise
    from sdcoreml.convert.models.identify import component_of
    from sdcoreml.convert.models.targets import verdicts

    contents = recognise(shapes)
    runs = any(verdict.runs != "no" for verdict in verdicts(contents))
    if contents.kind is not Kind.PIPELINE or contents.family not in PROGRAMS or not runs:
        return contents.family.value, ()
    counts: Counter[str] = Counter()
    for name, shape in shapes.items():
        counts[component_of(name)] += math.prod(shape)
    sources = dict.fromkeys(part.source for part in PROGRAMS[contents.family])
    return contents.family.value, tuple(
        Component(
            name=name,
            folder=str(path.parent),
            parameters=counts[name],
            sample=IMAGE_SIZES[contents.family] // 8 if name == "unet" else 0,
            step=SIZE_STEPS.get(contents.family, 0) if name == "unet" else 0,
        )
        for name in sources
        if counts[name]
    )


def _folder(path: Path) -> ModelFolder:
    index, fault = _json(path / INDEX)
    present = [name for name in PARTS if (path / name).is_dir()]
    named = [name for name, value in index.items() if name in PARTS and _is_used(value)]
    names = dict.fromkeys((*named, *present))
    components = tuple(component(path / name) for name in names)
    scheduler = _json(path / "scheduler" / "scheduler_config.json")[0]
    configs = {name: _json(path / name / "config.json")[0] for name in names}
    kind = _kind(path, str(index.get("_class_name", "")), configs, scheduler)
    return ModelFolder(
        path=str(path),
        kind="diffusers" if (path / INDEX).is_file() else "none",
        family=kind.family,
        needed=kind.needed,
        refusal=kind.refusal,
        size=sum(file.size for part in components for file in _chosen(part)),
        components=components,
        tokenizer_faults=tuple(_tokenizer(path)),
        prediction=str(scheduler.get("prediction_type", "")),
        faults=(fault,) if fault and (path / INDEX).exists() else (),
        nearby=() if index else _nearby(path),
    )


def _is_used(value: object) -> bool:
    """model_index.json names a part as [library, class]; nulls stand for a part left out."""
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What the converter takes a model for: its family, the parts it needs, why it refuses."""

    family: str
    needed: tuple[str, ...]
    refusal: str


def _kind(
    path: Path,
    pipeline: str,
    configs: Mapping[str, Mapping[str, Any]],
    scheduler: Mapping[str, Any],
) -> _Kind:
    from sdcoreml.convert.bundle.families import PROGRAMS, require_supported
    from sdcoreml.convert.models.family import identify
    from sdcoreml.convert.models.layout import Model
    from sdcoreml.ground.errors import SdcoremlError

    family, task = identify(pipeline, configs, scheduler)
    refusal = ""
    try:
        require_supported(
            Model(
                path=path,
                pipeline=pipeline,
                family=family,
                task=task,
                components={},
                tokenizers={},
                scheduler=scheduler,
            )
        )
    except SdcoremlError as error:
        refusal = error.complaint
    needed = dict.fromkeys(part.source for part in PROGRAMS.get(family, ()))
    return _Kind(family=family.value, needed=tuple(needed), refusal=refusal)


def _nearby(path: Path) -> tuple[str, ...]:
    """Where the model may be instead: one level up or down, or checkpoint files right here."""
    places = [path.parent, *sorted(child for child in path.iterdir() if child.is_dir())]
    folders = [str(place) for place in places if (place / INDEX).is_file()]
    files = [str(child) for child in sorted(path.iterdir()) if child.suffix in SUFFIXES]
    return tuple(folders + files)


def component(folder: Path) -> Component:
    """One component folder; an absent one has no weights and a fault that says so."""
    if not folder.is_dir():
        return Component(name=folder.name, folder=str(folder), faults=("missing",))
    config, fault = _json(folder / "config.json")
    names = sorted(entry.name for entry in folder.iterdir())
    index = next((name for name in names if name.endswith(".index.json")), "")
    missing, index_fault = _missing(folder / index) if index else ((), "")
    files = {name: opened(folder / name) for name in names if Path(name).suffix in SUFFIXES}
    shapes = {key: shape for _, table in files.values() for key, shape in table.items()}
    return Component(
        name=folder.name,
        folder=str(folder),
        index=index,
        weights=tuple(file for file, _ in files.values()),
        missing=missing,
        variants=tuple(sorted({_variant(name) for name in files})),
        nameless=tuple(name for name in names if "." not in name),
        faults=tuple(filter(None, (fault, index_fault))),
        refusal="" if fault else _refusal(folder.name, config),
        mismatch=tuple(mismatches(config, {} if missing else shapes)),
        upcast=config.get("upcast_attention") is True,
        parameters=sum(math.prod(shape) for shape in shapes.values()),
        sample=sample if isinstance(sample := config.get("sample_size"), int) else 0,
        step=_step(config),
    )


_PROGRAMS: Mapping[str, str] = {"vae": "vae_decoder"}
"""The program that is made of a component, where it has another name."""

_ANY_SIZE = 64
"""Latent pixels: whether a size suits is another question."""


def _refusal(name: str, config: Mapping[str, Any]) -> str:
    """Why the converter's builder refuses this configuration, in its own words."""
    from sdcoreml.convert.programs.drawable import require_drawable
    from sdcoreml.convert.programs.options import ProgramOptions
    from sdcoreml.ground.errors import SdcoremlError

    program = _PROGRAMS.get(name, name)
    try:
        require_drawable(program, config, ProgramOptions(height=_ANY_SIZE, width=_ANY_SIZE))
    except SdcoremlError as error:
        return error.complaint
    return ""


def _variant(name: str) -> str:
    """The middle of `diffusion_pytorch_model.fp16.safetensors`, or "" for the plain weights."""
    parts = name.split(".")
    return parts[1].partition("-")[0] if len(parts) > 2 else ""  # noqa: PLR2004


def _step(config: Mapping[str, Any]) -> int:
    """Pixels that a UNet's size must be a multiple of: a latent pixel, halved at every level."""
    levels = config.get("block_out_channels")
    if "cross_attention_dim" not in config or not isinstance(levels, list):
        return 0
    return 8 << max(len(levels) - 1, 0)


def _missing(index: Path) -> tuple[tuple[str, ...], str]:
    """The shards that the index names and that are not there, and the index's own fault."""
    content, fault = _json(index)
    table = content.get("weight_map")
    if fault or not isinstance(table, dict) or not table:
        return (), fault or f"{index.name} has no weight_map"
    names = sorted({str(name) for name in table.values()})
    return tuple(name for name in names if not (index.parent / name).exists()), ""


def _json(path: Path) -> tuple[Mapping[str, Any], str]:
    """The object in a JSON file, and why there is none."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        return {}, f"{path.name}: {error.strerror}"
    except ValueError:
        return {}, f"{path.name} is not JSON"
    return (content, "") if isinstance(content, dict) else ({}, f"{path.name} is not an object")


def _tokenizer(model: Path) -> Iterator[str]:
    """What the Swift reader would stumble over in the tokenizer's files."""
    from sdcoreml.convert.bundle.tokenizer import read_tokenizer, tokenizer_folder
    from sdcoreml.ground.errors import SdcoremlError

    try:
        read_tokenizer(tokenizer_folder(model))
    except SdcoremlError as error:
        yield str(error)


def _chosen(part: Component) -> Iterable[WeightFile]:
    """The files a conversion reads: one format and one variant, not every copy of the weights."""
    plain = [file for file in part.weights if not _variant(Path(file.path).name)]
    files = plain or list(part.weights)
    return [file for file in files if file.path.endswith(".safetensors")] or files
