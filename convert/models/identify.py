"""Identifies a path from headers alone, and collects the facts that `sdcoreml inspect` shows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.models import controlnet
from sdcoreml.convert.models.absence import weight_files, weight_files_below
from sdcoreml.convert.models.beside import UNSAID
from sdcoreml.convert.models.contents import Contents, Kind, recognise
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.few_steps import AppSettings, find_settings
from sdcoreml.convert.models.files import INDEX_NAME, is_part
from sdcoreml.convert.models.layout import Component, Model, as_model, read_component, read_model
from sdcoreml.convert.models.original_layout import UNET_PREFIX
from sdcoreml.convert.models.prediction import PredictionFinding
from sdcoreml.convert.models.schedule import describe_difference
from sdcoreml.convert.models.single_file import EMA_PREFIX, VAE_PREFIX, SingleFile, take_apart
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.convert.weights.source import Checkpoint, examine
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.ground.errors import Fault
from sdcoreml.ground.places import can_exist

NOT_THERE = "not there"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentFacts:
    """The facts about a component: `dtypes` maps each type to the number of its parameters."""

    name: str
    kind: str
    parameters: int
    dtypes: Mapping[str, int]
    nbytes: int
    files: tuple[str, ...]
    variant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Everything that is known about `path` without reading a tensor.

    `named` is the pipeline's own name. The content that was read is in `model` for a folder or a
    ControlNet, in `single` for a whole model in one file, and in `checkpoint` for any file.
    `settings` are the app's settings for a few-step model; `schedule` says how the noise schedule
    it was trained with differs from the apps', if it does.
    """

    path: Path
    form: str
    contents: Contents
    parts: tuple[ComponentFacts, ...] = ()
    prediction: str | None = None
    settings: AppSettings | None = None
    schedule: str = ""
    named: str = ""
    missing: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    model: Model | None = None
    single: SingleFile | None = None
    checkpoint: Checkpoint | None = None

    @property
    def configs(self) -> Mapping[str, Mapping[str, object]]:
        """The config of every component, from its config.json or derived from its tensors."""
        parts = (self.model.components if self.model else None) or (
            self.single.parts if self.single else {}
        )
        return {name: part.config for name, part in parts.items()}

    @property
    def has_ema(self) -> bool:
        """Whether the weights are present twice: as trained and averaged (EMA)."""
        return any(part.name == AVERAGED for part in self.parts)

    @property
    def parameters(self) -> int:
        """The number of elements of all tensors."""
        return sum(part.parameters for part in self.parts)

    @property
    def nbytes(self) -> int:
        """The size in bytes of all tensors."""
        return sum(part.nbytes for part in self.parts)


def identify_path(
    path: Path, options: UnpackOptions | None = None, known: Checkpoint | None = None
) -> Identity:
    """Identify `path`: a diffusers folder, a component's folder, a file or an index.

    Faults are collected, never raised. A file is taken apart according to `options`. If its header
    was read before, for other options, `known` is what was read.
    """
    if not can_exist(path):
        fault = Fault(
            where=path, what="the name is too long for a path", remedy="give a file or a folder"
        )
        return Identity(path=path, form=NOT_THERE, contents=_NOTHING, faults=(fault,))
    if is_part(path):
        component = read_component(path.resolve().name, path)
        return _of_component(path, component, options or UnpackOptions())
    if path.is_dir() or not path.exists():
        return _of_add_on_in(path) or _of_folder(path)
    return _of_file(path, options or UnpackOptions(), known)


def _of_add_on_in(folder: Path) -> Identity | None:
    """Identify a folder of add-ons of one kind by its first weight file; `None` for any other.

    A repository of LoRAs or ControlNets is such a folder. The files can be one level down.
    """
    files = [] if (folder / INDEX_NAME).is_file() else weight_files(folder)
    if len(files) == 1:
        found = _of_file(files[0], UnpackOptions())
        return None if found.contents.kind in (Kind.PIPELINE, Kind.UNKNOWN) else found
    below = [] if files or (folder / INDEX_NAME).is_file() else weight_files_below(folder)
    several = [_of_file(file, UnpackOptions()) for file in (files or below)[:_MOST_ADD_ONS]]
    kinds = {one.contents.kind for one in several}
    return several[0] if len(kinds) == 1 and kinds <= _GATHERED else None


_MOST_ADD_ONS = 8
"""The most files of a folder of add-ons that are examined."""

_GATHERED = frozenset(
    {
        Kind.CONTROLNET,
        Kind.CONTROL_LORA,
        Kind.IP_ADAPTER,
        Kind.LORA,
        Kind.MOTION_MODULE,
        Kind.T2I_ADAPTER,
        Kind.TEXTUAL_INVERSION,
    }
)
"""Kinds of which one folder can hold many; several files of other kinds are parts of a model."""


def _of_folder(path: Path) -> Identity:
    model = read_model(path)
    parts = tuple(_facts_of(component) for component in model.components.values())
    kind = Kind.PIPELINE if model.components else Kind.UNKNOWN
    unet = model.components.get("unet")
    flavour = "LCM" if unet and unet.config.get("time_cond_proj_dim") else ""
    contents = Contents(kind=kind, family=model.family, task=model.task, flavour=flavour)
    expected = () if model.family in (Family.SD3, Family.FLUX) else ("unet", "vae")
    missing = [name for name in expected if name not in model.components]
    if not any(name.startswith("text_encoder") for name in model.components):
        missing.append("text_encoder")
    return Identity(
        path=path,
        form="diffusers folder" if path.exists() else NOT_THERE,
        contents=contents,
        parts=parts,
        prediction=model.prediction.kind if model.prediction else None,
        settings=model.settings,
        schedule=describe_difference(model.scheduler),
        missing=() if kind is Kind.UNKNOWN else tuple(missing),
        faults=model.faults,
        notes=(*model.notes, *_advice(model.settings)),
        named=model.pipeline,
        model=model,
    )


def _advice(settings: AppSettings | None) -> tuple[str, ...]:
    return (settings.advice,) if settings else ()


TRANSFORMERS: Mapping[str, str] = {
    "AuraFlowTransformer2DModel": "AuraFlow",
    "Flux2Transformer2DModel": "FLUX.2",
    "HunyuanVideoTransformer3DModel": "HunyuanVideo",
    "PixArtTransformer2DModel": "PixArt",
    "QwenImageTransformer2DModel": "Qwen-Image",
    "StableCascadeUNet": "Stable Cascade",
    "UNetSpatioTemporalConditionModel": "Stable Video Diffusion",
    "WanTransformer3DModel": "Wan video",
}
"""Maps transformer and UNet classes of other families to the family's name."""

KNOWN = frozenset(
    {
        "AutoencoderKL",
        "AutoencoderTiny",
        "CLIPTextModel",
        "CLIPTextModelWithProjection",
        "CLIPVisionModelWithProjection",
        "StableDiffusionSafetyChecker",
        "T2IAdapter",
        "UNet2DConditionModel",
        controlnet.KIND,
    }
)
"""The classes of Stable Diffusion's parts and add-ons."""
_STRANGE = frozenset({Kind.UNKNOWN, Kind.OTHER_FAMILY, Kind.TRANSFORMER, Kind.CONTROLNET})
"""Kinds for which a component's class may say more than its tensors."""


def _of_component(path: Path, component: Component, options: UnpackOptions) -> Identity:
    tensors = component.checkpoint.tensors if component.checkpoint else ()
    contents = recognise({tensor.name: tensor.shape for tensor in tensors})
    net = (
        controlnet.as_model(replace(component, name=controlnet.CONTROLNET))
        if component.kind == controlnet.KIND
        else None
    )
    found = None
    if net:
        contents = Contents(kind=Kind.CONTROLNET, family=net.family)
    elif options.only_unet and contents.kind is Kind.UNET:
        net = as_model(path, component, options.told)
        contents = replace(contents, family=net.family, task=net.task)
        found = net.prediction
    elif component.kind in TRANSFORMERS:
        contents = Contents(kind=Kind.OTHER_FAMILY, flavour=TRANSFORMERS[component.kind])
    elif component.kind and component.kind not in KNOWN and _is_strange(contents):
        contents = Contents(kind=Kind.OTHER_FAMILY, flavour=component.kind)
    return Identity(
        path=path,
        form="component folder",
        contents=contents,
        parts=(_facts_of(component),),
        prediction=found.kind if found else None,
        schedule=describe_difference(net.scheduler) if net else "",
        faults=net.faults if net else component.all_faults,
        notes=(*(net.notes if net else ()), *_unsaid(found)),
        model=net,
    )


def _unsaid(prediction: PredictionFinding | None) -> tuple[str, ...]:
    """Return a note on a UNet that may predict one or the other; () for all others."""
    return (UNSAID,) if prediction and prediction.kind is None else ()


def _is_strange(contents: Contents) -> bool:
    is_unknown = contents.family is Family.UNKNOWN or contents.kind is Kind.CONTROLNET
    return contents.kind in _STRANGE and is_unknown


def _of_file(path: Path, options: UnpackOptions, known: Checkpoint | None = None) -> Identity:
    checkpoint, faults = (known, ()) if known else examine(path)
    if checkpoint is None:
        return Identity(path=path, form="file", contents=_NOTHING, faults=faults)
    contents = recognise({tensor.name: tensor.shape for tensor in checkpoint.tensors})
    is_whole = contents.kind is Kind.PIPELINE
    is_unet = options.only_unet and contents.kind is Kind.UNET
    told, weights = options.told, options.weights
    single = (
        take_apart(checkpoint, told, weights=weights, only_unet=options.only_unet)
        if is_whole or is_unet
        else None
    )
    prediction = single.prediction.kind if single else None
    if single and single.family is not contents.family:
        contents = replace(contents, family=single.family)
    settings = single.settings if single else find_settings(path.stem, checkpoint.metadata)
    notes = (*checkpoint.notes, *(single.notes if single else ()), *_advice(settings))
    notes += _unsaid(single.prediction if single else None)
    missing = ("vae",) if single and "vae" not in single.parts else ()
    return Identity(
        path=path,
        form=checkpoint.container,
        contents=contents,
        parts=_groups(checkpoint),
        prediction=prediction,
        settings=settings,
        schedule=describe_difference(single.schedule) if single else "",
        missing=missing,
        faults=single.faults if single else (),
        notes=notes,
        single=single,
        checkpoint=checkpoint,
    )


_NOTHING = Contents(kind=Kind.UNKNOWN)


def _facts_of(component: Component) -> ComponentFacts:
    tensors = component.checkpoint.tensors if component.checkpoint else ()
    files = tuple(path.name for path in component.weights)
    return _facts(component.name, component.kind, tensors, files, component.variant)


AVERAGED = "averaged weights"

GROUPS = (
    (EMA_PREFIX, AVERAGED),
    (UNET_PREFIX, "unet"),
    (VAE_PREFIX, "vae"),
    ("cond_stage_model.", "text_encoder"),
    ("conditioner.embedders.0.", "text_encoder"),
    ("conditioner.embedders.1.", "text_encoder_2"),
    ("text_encoders.", "text_encoder"),
    ("lora_unet_", "unet"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te", "text_encoder"),
)
"""Maps the start of a tensor's name in a single file to the part that it belongs to."""


def component_of(name: str) -> str:
    """Return the part of a single file that the tensor with this name belongs to."""
    return next((part for start, part in GROUPS if name.startswith(start)), "tensors")


def _groups(checkpoint: Checkpoint) -> tuple[ComponentFacts, ...]:
    groups: dict[str, list[TensorInfo]] = {}
    for tensor in checkpoint.tensors:
        groups.setdefault(component_of(tensor.name), []).append(tensor)
    files = tuple(path.name for path in checkpoint.files)
    return tuple(_facts(name, "", tensors, files) for name, tensors in groups.items())


def _facts(
    name: str,
    kind: str,
    tensors: Sequence[TensorInfo],
    files: tuple[str, ...],
    variant: str | None = None,
) -> ComponentFacts:
    dtypes: Counter[str] = Counter()
    for tensor in tensors:
        dtypes[tensor.dtype] += math.prod(tensor.shape)
    return ComponentFacts(
        name=name,
        kind=kind,
        parameters=sum(dtypes.values()),
        dtypes=dict(dtypes.most_common()),
        nbytes=sum(tensor.nbytes for tensor in tensors),
        files=files,
        variant=variant,
    )
