"""Gathers facts about the model to convert with the converter's own reader.

It reads only headers and executes nothing: a 10 GB folder takes milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.bundle.judgement import Judgement, judge
from sdcoreml.convert.bundle.tokenizer import read_tokenizer, tokenizer_folder
from sdcoreml.convert.models import layout
from sdcoreml.convert.models.alike import one_for_all
from sdcoreml.convert.models.contents import Kind
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import PIXELS_PER_LATENT, Family
from sdcoreml.convert.models.files import INDEX_NAME, SUFFIXES
from sdcoreml.convert.models.identify import AVERAGED, NOT_THERE, Identity
from sdcoreml.convert.weights.source import CONTAINERS, FileKind, examine, look_at
from sdcoreml.doctor.core.subjects import ComponentState, ModelFolder, WeightFile
from sdcoreml.envs.upstream.inert import active_settings
from sdcoreml.ground.errors import Fault, SdcoremlError, UnsafePickleError

COMPONENTS = ("unet", "vae", "text_encoder", "text_encoder_2", "safety_checker", "transformer")
"""The components to examine even if model_index.json does not list them."""


def model(path: str) -> ModelFolder:
    """Judge the model at `path` and describe it; if nothing exists there, its kind is "missing"."""
    found = describe(judge(Path(path)))
    kinds = {file.kind for part in found.components for file in part.weights}
    if FileKind.POINTER.value in kinds:
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        found = replace(found, active=active_settings(folder.resolve()))
    return found


def describe(judgement: Judgement) -> ModelFolder:
    """Convert a judgement for the checks."""
    identity = judgement.identity
    path, refusal = identity.path, judgement.refusal
    blank = ModelFolder(
        path=str(path),
        kind="none",
        family=identity.contents.family.value,
        needed=judgement.needed,
        refusal=refusal.what if refusal else "",
        remedy=refusal.remedy if refusal else "",
    )
    ruling = judgement.ruling
    if fault := ruling.fault:
        blank = replace(blank, code=fault.code, reason=fault.what, cure=fault.remedy)
    blank = replace(blank, can=ruling.can, notes=tuple(_notes(identity)))
    if identity.form == NOT_THERE:
        return replace(blank, kind="missing", needed=())
    if not path.is_dir():
        return _single_file(blank, identity)
    if identity.model and (net := identity.model.components.get(CONTROLNET)):
        return replace(
            blank,
            kind="controlnet",
            family=identity.model.family.value,
            needed=(net.name,),
            size=_size(net),
            components=(component(net, judgement.refusals.get(CONTROLNET)),),
        )
    return _folder(blank, judgement)


def _notes(identity: Identity) -> Iterator[str]:
    """Yield notes on the model as a whole; notes on a single file are with that file."""
    known = identity.checkpoint.notes if identity.checkpoint else ()
    yield from (note for note in identity.notes if note not in known)


def _single_file(blank: ModelFolder, identity: Identity) -> ModelFolder:
    """Describe a single file, and the components in it."""
    path = identity.path
    faults, notes = identity.faults, tuple[str, ...]()
    if identity.checkpoint:  # it could be opened, so the faults are in its content
        faults, notes = (), identity.checkpoint.notes
    file = weight_file(path, faults, notes)
    inside = identity.single.parts if identity.single and not blank.refusal else {}
    return replace(
        blank,
        kind="single-file",
        size=file.size,
        components=(
            ComponentState(name="checkpoint", folder=str(path.parent), weights=(file,)),
            *(
                ComponentState(
                    name=name,
                    folder=str(path.parent),
                    parameters=sum(math.prod(tensor.shape) for tensor in part.tensors),
                    sample=_sample(part.config),
                    step=_step(part.config),
                )
                for name, part in inside.items()
            ),
        ),
        holds=tuple(_holdings(identity)),
        faults=() if faults else tuple(fault.what for fault in identity.faults),
    )


_HOLDS: Mapping[Kind, str] = {
    Kind.LORA: "lora",
    Kind.CONTROLNET: "controlnet",
    Kind.TEXTUAL_INVERSION: "embedding",
    Kind.UNET: "unet",
    Kind.VAE: "vae",
    Kind.TEXT_ENCODER: "text_encoder",
}


def _holdings(identity: Identity) -> Iterator[str]:
    """Yield the names of a single file's contents, recognised by its tensors."""
    contents = identity.contents
    alone = _HOLDS.get(contents.kind)
    if alone in {"lora", "controlnet", "embedding"}:
        yield alone
        return
    names = {part.name for part in identity.parts} | ({alone} if alone else set())
    yield from (name for name in ("unet", "vae") if name in names)
    if names & {"text_encoder", "text_encoder_2"}:
        yield "text_encoder"
    if AVERAGED in names:
        yield "ema"
    if contents.family in (Family.SDXL, Family.SDXL_REFINER):
        yield "sdxl"


def _folder(blank: ModelFolder, judgement: Judgement) -> ModelFolder:
    found, path = judgement.identity.model, judgement.identity.path
    parts = dict(found.components) if found else {}
    for name in COMPONENTS:
        if name not in parts and (path / name).is_dir():
            parts[name] = layout.read_component(name, path / name)
    absent = found.absent if found else {}
    elsewhere = {*absent.values(), *(f for part in parts.values() for f in part.all_faults)}
    is_pipeline = (path / INDEX_NAME).is_file()
    faults = [fault for fault in (found.faults if found else ()) if fault not in elsewhere]
    return replace(
        blank,
        kind="diffusers" if is_pipeline else "none",
        size=sum(map(_size, parts.values())),
        components=(
            *(component(part, judgement.refusals.get(part.name)) for part in parts.values()),
            *(ComponentState(name=n, folder=str(path / n), faults=("missing",)) for n in absent),
        ),
        tokenizer_faults=tuple(_tokenizer(path)),
        prediction=str(found.scheduler.get("prediction_type", "")) if found else "",
        faults=tuple(map(_describe_fault, faults)) if is_pipeline else (),
        nearby=() if is_pipeline else _nearby(path),
    )


def _nearby(path: Path) -> tuple[str, ...]:
    """Suggest other paths: one level up or down, or a checkpoint file in the folder."""
    places = [path.parent, *sorted(child for child in path.iterdir() if child.is_dir())]
    folders = [str(place) for place in places if (place / INDEX_NAME).is_file()]
    files = [str(child) for child in sorted(path.iterdir()) if child.suffix in SUFFIXES]
    return tuple(folders + files)


def component(part: layout.Component, refusal: Fault | None = None) -> ComponentState:
    """Convert a component for the checks, with every weight file in its folder."""
    paths = sorted(path for path in part.folder.iterdir() if path.suffix in SUFFIXES)
    own = [fault for fault in part.faults if not _is_told_elsewhere(fault, part, paths)]
    tensors = part.checkpoint.tensors if part.checkpoint else ()
    return ComponentState(
        name=part.name,
        folder=str(part.folder),
        index=part.index.name if part.index else "",
        weights=tuple(_files(part, paths)),
        missing=part.missing,
        variants=part.variants,
        nameless=part.nameless,
        faults=tuple(map(_describe_fault, own)),
        refusal=refusal.what if refusal else "",
        remedy=refusal.remedy if refusal else "",
        mismatch=tuple(fault.what for fault in part.mismatches),
        upcast=part.config.get("upcast_attention") is True,
        parameters=sum(math.prod(tensor.shape) for tensor in tensors),
        sample=_sample(part.config),
        step=_step(part.config),
    )


def _is_told_elsewhere(fault: Fault, part: layout.Component, paths: list[Path]) -> bool:
    """Return True if another field reports the fault: a bad file, missing shards or weights."""
    return (
        Path(fault.where) in paths
        or (bool(part.missing) and Path(fault.where) == part.index)
        or (not paths and Path(fault.where) == part.folder)
    )


def _files(part: layout.Component, paths: list[Path]) -> Iterator[WeightFile]:
    """Yield every weight file; those not needed for conversion are opened only now."""
    notes = part.checkpoint.notes if part.checkpoint else ()
    for path in paths:
        if path in part.weights:
            faults = tuple(fault for fault in part.faults if Path(fault.where) == path)
            yield weight_file(path, faults, notes)
            notes = ()  # these faults concern the whole set
        else:
            other, faults = examine(path)
            yield weight_file(path, faults, other.notes if other else ())


def weight_file(path: Path, faults: tuple[Fault, ...], notes: tuple[str, ...] = ()) -> WeightFile:
    """Describe one weight file: its kind by its first bytes, and its reader's faults."""
    try:
        _, kind = look_at(path)
    except SdcoremlError as error:
        return WeightFile(path=str(path), kind="unreadable", size=0, fault=error.what)
    is_pickle = kind in (FileKind.ZIP, FileKind.LEGACY)
    file = WeightFile(
        path=str(path),
        kind="pickle" if is_pickle else kind.value,
        size=path.stat().st_size,
        notes=notes,
    )
    for fault in faults:
        if fault.error is UnsafePickleError:
            return replace(file, unsafe=(fault.what,))
        if kind in {*CONTAINERS, FileKind.OTHER}:
            return replace(file, fault=fault.what, remedy=fault.remedy)
    return file


def _sample(config: Mapping[str, object]) -> int:
    sample = one_for_all(config.get("sample_size"))
    return sample if isinstance(sample, int) else 0


def _step(config: Mapping[str, object]) -> int:
    """Return the number of pixels of which a UNet's image size must be a multiple.

    A latent pixel is eight image pixels, and every level but the last halves the latent.
    """
    levels = config.get("block_out_channels")
    if "cross_attention_dim" not in config or not isinstance(levels, list):
        return 0
    return PIXELS_PER_LATENT << max(len(levels) - 1, 0)


def _describe_fault(fault: Fault) -> str:
    """Format a fault with only the name of its file, for messages that name the folder."""
    return f"{Path(fault.where).name}: {fault.what}"


def _size(part: layout.Component) -> int:
    """Return the size of the files that a conversion reads, in bytes."""
    return sum(path.stat().st_size for path in part.weights if path.is_file())


def _tokenizer(path: Path) -> Iterator[str]:
    """Yield what the Swift apps would reject in the tokenizer's files."""
    try:
        read_tokenizer(tokenizer_folder(path))
    except SdcoremlError as error:
        yield str(error)
