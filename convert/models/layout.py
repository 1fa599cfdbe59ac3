"""Reads a model folder in diffusers' layout: components, configs, weights, and every fault.

Only headers are read, no tensors, so a 10 GB model takes a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.convert.models.absence import (
    DOWNLOAD,
    explain_absence,
    explain_config,
)
from sdcoreml.convert.models.beside import judge_noise
from sdcoreml.convert.models.family import Family, Task, identify
from sdcoreml.convert.models.fetched import FetchedFrom
from sdcoreml.convert.models.few_steps import AppSettings, find_settings
from sdcoreml.convert.models.files import (
    CONFIG_NAME,
    INDEX_NAME,
    WeightFiles,
    find_scheduler,
    find_weights,
)
from sdcoreml.convert.models.model_index import class_of, kind_of, read_config, read_parts
from sdcoreml.convert.models.prediction import (
    PredictionFinding,
    PredictionSource,
    read_prediction,
)
from sdcoreml.convert.models.remarks import describe_components
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.weights.dtypes import FLOATS8
from sdcoreml.convert.weights.index import read_index
from sdcoreml.convert.weights.quantised import refuse_quantised
from sdcoreml.convert.weights.source import Checkpoint, examine
from sdcoreml.convert.weights.tensor import TensorInfo, drop_kernel
from sdcoreml.ground.errors import Fault, SdcoremlError

OLD_ATTENTION = (
    (".query.", ".to_q."),
    (".key.", ".to_k."),
    (".value.", ".to_v."),
    (".proj_attn.", ".to_out.0."),
)
"""Old and new names of attention layers in VAEs; SD 1.5's VAE has those before diffusers 0.17."""
UNREAD = frozenset({"feature_extractor", "image_encoder", "safety_checker"})
"""Parts that may be missing: no program is made from them unless requested."""

BESIDE = "{name}/ is a ControlNet beside the model, and is converted by itself: give {folder}"

_SHOWN = 4
"""The most tensors that a fault names; a wrong config can cause hundreds of mismatches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of a model that has weights: UNet, VAE, text encoder.

    `kind` is its class, as `model_index.json` or its own config names it. `index` is the index file
    when the weights are sharded, `missing` are the absent shards that it names. `variants` are all
    variants of the weights in the folder ("" for the plain ones); `variant` is the one to use.
    `nameless` are files without a dot in their name, on which the upstream converter fails.

    `checkpoint` is `None` when the weights are missing or faulty; its tensors have the names of the
    pinned libraries, even if the file has older ones. `faults` are faults in the files,
    `mismatches` are those between weights and config.
    """

    name: str
    folder: Path
    kind: str
    config: Mapping[str, object]
    weights: tuple[Path, ...] = ()
    index: Path | None = None
    missing: tuple[str, ...] = ()
    variant: str | None = None
    variants: tuple[str, ...] = ()
    nameless: tuple[str, ...] = ()
    checkpoint: Checkpoint | None = None
    has_current_names: bool = True
    faults: tuple[Fault, ...] = ()
    mismatches: tuple[Fault, ...] = ()

    @property
    def all_faults(self) -> tuple[Fault, ...]:
        """Every fault that prevents a conversion."""
        return self.faults + self.mismatches

    @property
    def is_merged(self) -> bool:
        """Whether the weights are one safetensors file already, with current names and no FP8."""
        if self.index or self.checkpoint is None or not self.has_current_names:
            return False
        if any(tensor.dtype in FLOATS8 for tensor in self.checkpoint.tensors):
            return False
        return self.checkpoint.container == "safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model folder. `faults` prevent a conversion; `notes` are worth knowing.

    `prediction` is what its UNet predicts, as far as its files say.
    `absent` are the parts that model_index.json lists but that have no folder, each with its fault.
    `origin` is the manifest's record of the files that the model was assembled from, if it was.
    `settings` are the app's settings for a few-step model; `fetched` is the model's origin if it
    was given by name.
    """

    path: Path
    pipeline: str
    family: Family
    task: Task
    components: Mapping[str, Component]
    tokenizers: Mapping[str, Path]
    scheduler: Mapping[str, object]
    prediction: PredictionFinding | None = None
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    absent: Mapping[str, Fault] = field(default_factory=dict)
    origin: Mapping[str, object] | None = None
    settings: AppSettings | None = None
    fetched: FetchedFrom | None = None


def read_model(path: Path) -> Model:
    """Read the model in the folder `path`. Faults are collected, never raised."""
    faults: list[Fault] = []
    notes: list[str] = []
    index = read_parts(path, faults, notes)
    kinds = {
        name: kind for name, entry in index.items() if (kind := class_of(name, entry)) is not None
    }
    components: dict[str, Component] = {}
    tokenizers: dict[str, Path] = {}
    absent: dict[str, Fault] = {}
    for name, kind in kinds.items():
        folder = path / name
        if not folder.is_dir() and name in UNREAD:
            notes.append(f"{INDEX_NAME} lists {name}/, which is missing and not needed")
        elif name == "scheduler":
            continue  # without one, the prediction is assumed
        elif not folder.is_dir():
            what = f"the folder {name}/ is missing, although {INDEX_NAME} lists it"
            absent[name] = Fault(where=path, what=what, remedy=DOWNLOAD)
            faults.append(absent[name])
        elif name.startswith("tokenizer"):
            tokenizers[name] = folder
        elif name.startswith("controlnet"):
            notes.append(BESIDE.format(name=name, folder=folder))
        elif (folder / CONFIG_NAME).is_file():
            components[name] = read_component(name, folder, kind=kind)
            faults += components[name].all_faults
        elif _holds_model(kind):
            faults.append(explain_config(folder))
    scheduler = _read_scheduler(path, faults)
    pipeline = str(index.get("_class_name", ""))
    configs = {name: component.config for name, component in components.items()}
    family, task = identify(pipeline, configs, scheduler)
    prediction = read_prediction(scheduler, path.resolve()) if "unet" in components else None
    return Model(
        path=path,
        pipeline=pipeline,
        family=family,
        task=task,
        components=components,
        tokenizers=tokenizers,
        scheduler=scheduler,
        faults=tuple(faults),
        prediction=prediction,
        notes=(
            *notes,
            *describe_components(components),
            *(prediction.notes if prediction else ()),
        ),
        absent=absent,
        settings=_settings(path, scheduler, pipeline) if components else None,
    )


def as_model(path: Path, unet: Component, told: PredictionSource | None = None) -> Model:
    """Wrap a UNet's own folder in a `Model` that has only this component.

    Its noise is judged as that of its file would be; `told` is what the user says of it.
    """
    unet = replace(unet, name="unet")
    family, task = identify("", {"unet": unet.config}, {})
    noise = judge_noise(family, unet.checkpoint, told) if unet.checkpoint else None
    return Model(
        path=path,
        pipeline="",
        family=noise.family if noise else family,
        task=task,
        components={"unet": unet},
        tokenizers={},
        scheduler=noise.scheduler if noise else {},
        prediction=noise.prediction if noise else None,
        faults=unet.all_faults,
        notes=noise.notes if noise else (),
        settings=find_settings(path.resolve().name),
    )


def _read_scheduler(model: Path, faults: list[Fault]) -> Mapping[str, object]:
    """Read the config of the scheduler in a model's folder."""
    place = find_scheduler(model)
    return read_config(place, faults) if place else {}


def _settings(path: Path, scheduler: Mapping[str, object], pipeline: str) -> AppSettings | None:
    return find_settings(path.resolve().name, scheduler=scheduler, pipeline=pipeline)


def read_component(name: str, folder: Path, *, kind: str = "") -> Component:
    """Read the component in `folder`, with all its faults."""
    faults: list[Fault] = []
    config = read_config(folder / CONFIG_NAME, faults)
    kind = kind or kind_of(config)
    found = find_weights(folder)
    component = Component(
        name=name,
        folder=folder,
        kind=kind,
        config=config,
        variants=tuple(sorted({weights.variant or "" for weights in found})),
        nameless=tuple(sorted(path.name for path in folder.iterdir() if "." not in path.name)),
    )
    if not found:
        what, remedy = explain_absence(folder) or ("no weights in this folder", DOWNLOAD)
        faults.append(Fault(where=folder, what=what, remedy=remedy))
        return replace(component, faults=tuple(faults))
    chosen = found[0]
    index = chosen.source if chosen.source and chosen.source.suffix == ".json" else None
    checkpoint = _open(chosen, faults)
    current = modernise(checkpoint) if checkpoint and kind == "AutoencoderKL" else checkpoint
    return replace(
        component,
        weights=chosen.files,
        index=index,
        missing=tuple(_missing(index)) if index else (),
        variant=chosen.variant,
        checkpoint=current,
        has_current_names=current is checkpoint,
        faults=tuple(faults),
        mismatches=tuple(_mismatches(kind, config, current)) if current else (),
    )


def _missing(index: Path) -> Iterator[str]:
    """Yield the names of absent shards; an index without any shard has a fault of its own."""
    with suppress(SdcoremlError):
        yield from (shard.name for shard in read_index(index).shards if not shard.is_file())


def _mismatches(kind: str, config: Mapping[str, object], checkpoint: Checkpoint) -> Iterator[Fault]:
    """Yield faults for tensors that are missing in `checkpoint`, or have another shape."""
    if quantised := refuse_quantised(checkpoint.tensors, checkpoint.path):
        yield quantised
        return
    found = {tensor.name: tensor.shape for tensor in checkpoint.tensors}
    expected = parameters(kind, config) or {}
    problems = {
        "missing": [name for name in expected if name not in found],
        "of another shape than config.json says": [
            f"{name} {list(found[name])} instead of {list(shape)}"
            for name, shape in expected.items()
            if found.get(name, shape) != shape
        ],
    }
    for problem, names in problems.items():
        if names:
            more = ", ..." if len(names) > _SHOWN else ""
            named = f"{', '.join(names[:_SHOWN])}{more}"
            what = f"{len(names)} of {len(expected)} tensors {problem}: {named}"
            yield Fault(where=checkpoint.path, what=what, remedy=DOWNLOAD)


def modernise(checkpoint: Checkpoint) -> Checkpoint:
    """Return a VAE's checkpoint with current names; the same object if it already has them.

    The pinned diffusers also renames them on loading (`_convert_deprecated_attention_blocks`).
    """
    tensors = tuple(map(_modern, checkpoint.tensors))
    return checkpoint if tensors == checkpoint.tensors else replace(checkpoint, tensors=tensors)


def _modern(tensor: TensorInfo) -> TensorInfo:
    """Return a tensor under its current name; 1 x 1 kernels become matrices."""
    name = tensor.name
    if ".attentions." not in name:
        return tensor
    for old, new in OLD_ATTENTION:
        name = name.replace(old, new)
    is_kernel = len(tensor.shape) > 2 and set(tensor.shape[2:]) == {1}  # noqa: PLR2004
    return replace(drop_kernel(tensor) if is_kernel else tensor, name=name)


def _open(chosen: WeightFiles, faults: list[Fault]) -> Checkpoint | None:
    if chosen.source is None:
        what = f"{len(chosen.files)} shard(s) without their index file"
        next_ = "download the file whose name ends in .index.json into the same folder"
        faults.append(Fault(where=chosen.files[0], what=what, remedy=next_))
        return None
    checkpoint, found = examine(chosen.source)
    faults.extend(found)
    return checkpoint


def _holds_model(kind: str) -> bool:
    """Whether components of the class `kind` have weights."""
    return "Model" in kind or kind in ("AutoencoderKL", "StableDiffusionSafetyChecker")
