"""A diffusers folder with one safetensors file per component, from weights saved in any way."""

from __future__ import annotations

import shutil
from pathlib import Path

from convert.errors import BadInputError
from convert.models.files import find_weights
from convert.models.layout import INDEX_NAME, Component, Model
from convert.weights.aside import folder_aside, require_space
from convert.weights.fault import raise_first
from convert.weights.writer import WriteOptions, Written, write_safetensors
from envs.events import Emit, Event, silent

DIFFUSERS_NAME = "diffusion_pytorch_model.safetensors"
TRANSFORMERS_NAME = "model.safetensors"


def merged_name(component: Component) -> str:
    """The file that the pinned `from_pretrained` looks for in the component's folder."""
    is_diffusers = "_class_name" in component.config
    return DIFFUSERS_NAME if is_diffusers else TRANSFORMERS_NAME


def merge_component(component: Component, target: Path, emit: Emit = silent) -> Path:
    """The component's weights as one safetensors file.

    Used in place when they are one already; otherwise written into the folder `target`, which is
    made if need be, under the name that diffusers or transformers looks for.

    Raises:
        BadInputError: the weights are missing or faulty.
        NoSpaceError: not enough room for the merged file.
    """
    if component.checkpoint is None:
        raise BadInputError(
            f"{component.folder}: no readable weights; see what `sdcoreml inspect` says about it"
        )
    if component.is_merged:
        return component.weights[0]
    return write_component(component, target, emit=emit).path


def write_component(
    component: Component, target: Path, options: WriteOptions | None = None, emit: Emit = silent
) -> Written:
    """Write the component's weights to one file in the folder `target`; see `merge_component`."""
    if component.checkpoint is None:
        raise BadInputError(f"{component.folder}: no readable weights; run sdcoreml inspect on it")
    return write_safetensors(
        component.checkpoint.tensors, target / merged_name(component), options, emit
    )


def merge_model(
    model: Model, target: Path, options: WriteOptions | None = None, emit: Emit = silent
) -> tuple[Written, ...]:
    """Write `model` to the folder `target`: merged weights, and every other file as it is.

    The folder is made aside and renamed, so it is never half there.

    Raises:
        BadInputError: the model has faults, or `target` is not free, or lies in the model.
        UnsafePickleError: a pickle of the model names something that has no place in it.
        NoSpaceError: not enough room.
    """
    raise_first(model.faults)
    source, place = model.path.resolve(), target.resolve()
    if place == source or source in place.parents or place in source.parents:
        raise BadInputError(
            f"{target}: lies in the model itself, or around it; choose another folder"
        )
    sizes = [part.checkpoint.nbytes for part in model.components.values() if part.checkpoint]
    require_space(target, sum(sizes))
    written = []
    with folder_aside(target, INDEX_NAME) as aside:
        copy_other_files(model.path, aside)
        for name, component in model.components.items():
            emit(Event(kind="step", text=f"merge {name}"))
            written.append(write_component(component, aside / name, options, emit))
    return tuple(written)


def copy_other_files(source: Path, target: Path) -> None:
    """Copy what is no weight: configs, tokenizers, schedulers, licences; no hidden files."""
    for folder in (source, *sorted(path for path in source.iterdir() if path.is_dir())):
        if folder.name.startswith(".") and folder != source:
            continue
        weights = {
            path for found in find_weights(folder) for path in (*found.files, found.source) if path
        }
        place = target / folder.relative_to(source)
        place.mkdir(exist_ok=True)
        for path in sorted(folder.iterdir()):
            if path.is_file() and path not in weights and _is_small_text(path):
                shutil.copyfile(path, place / path.name)


def _is_small_text(path: Path) -> bool:
    return path.suffix in (".json", ".txt", ".md", ".model", ".yaml") or path.name == "LICENSE"
