"""Makes a diffusers folder with one safetensors file per component, from weights in any format."""

from __future__ import annotations

from pathlib import Path

from sdcoreml.convert.models.configs import model_index
from sdcoreml.convert.models.files import CONFIG_NAME, INDEX_NAME, find_weights
from sdcoreml.convert.models.folder_plan import ComponentFiles, FolderPlan, as_json
from sdcoreml.convert.models.layout import Component, Model
from sdcoreml.convert.models.prediction import SPELLINGS, PredictionSource
from sdcoreml.convert.weights.float8 import widen
from sdcoreml.convert.weights.header import PYTORCH
from sdcoreml.convert.weights.writer import write_safetensors
from sdcoreml.ground.advice import command
from sdcoreml.ground.errors import BadInputError, raise_first
from sdcoreml.ground.events import Emit, silent

TEXTS = frozenset({".json", ".txt", ".md", ".model", ".yaml"})
"""Suffixes of files that are kept with the weights: configs, tokenizers, model cards."""


def component_files(component: Component) -> ComponentFiles:
    """Return a component's part of a plan. Raises `BadInputError` for unreadable weights."""
    checkpoint = component.checkpoint
    if checkpoint is None:
        raise BadInputError(
            "it has no readable weights",
            where=component.folder,
            remedy=f"see what {command('inspect', component.folder)} says about it",
        )
    is_right = component.is_merged and checkpoint.metadata.get("format") == PYTORCH["format"]
    return ComponentFiles(
        kind=component.kind,
        config=component.config,
        tensors=tuple(map(widen, checkpoint.tensors)),
        whole=component.weights[0] if is_right else None,
    )


def merge_component(component: Component, target: Path, emit: Emit = silent) -> Path:
    """Return the path of the component's weights as one safetensors file.

    If the weights are in one already, that file is used. Otherwise one is written into the folder
    `target`, which is made if needed, under the name that diffusers or transformers looks for.

    Raises:
        BadInputError: the weights are missing or faulty.
        NoSpaceError: the disk has too little space for the merged file.
    """
    part = component_files(component)
    if component.is_merged:
        return component.weights[0]
    return write_safetensors(part.tensors, target / part.file_name, emit=emit).path


def plan_folder(model: Model) -> FolderPlan:
    """Plan a folder with the content of `model`'s own folder.

    Raises:
        BadInputError: the model has faults.
        UnsafePickleError: a pickle of the model names code that has no place in a checkpoint.
    """
    raise_first(model.faults)
    parts = {name: component_files(component) for name, component in model.components.items()}
    return FolderPlan(
        parts=parts, files=other_files(model.path), notes=model.notes, settings=model.settings
    )


def plan_unet(model: Model, told: PredictionSource | None) -> FolderPlan:
    """Plan the folder of a model that has nothing but a UNet, which is in a folder of its own.

    `told` is what the user says that it predicts.

    Raises:
        BadInputError: the UNet has faults.
        UnsafePickleError: its pickle names code that has no place in a checkpoint.
    """
    raise_first(model.faults)
    unet = component_files(model.components["unet"])
    said = {"prediction_type": SPELLINGS[told.option]} if told and told.option else {}
    scheduler = {**model.scheduler, **said}
    kind = str(scheduler.get("_class_name", ""))
    index = model_index(model.family, model.task, {"unet": unet.kind}, {}, kind)
    files: dict[str, Path | bytes] = {
        INDEX_NAME: as_json(index),
        f"unet/{CONFIG_NAME}": as_json(unet.config),
    }
    if scheduler:
        files["scheduler/scheduler_config.json"] = as_json(scheduler)
    return FolderPlan(parts={"unet": unet}, files=files, notes=model.notes, settings=model.settings)


def require_apart(source: Path, target: Path) -> None:
    """Raise `BadInputError` if one of the two folders lies inside the other."""
    old, new = source.resolve(), target.resolve()
    if old == new or old in new.parents or new in old.parents:
        raise BadInputError(
            "is inside the model's folder, or contains it",
            where=target,
            remedy="choose another folder",
        )


def other_files(source: Path) -> dict[str, Path | bytes]:
    """Map paths in a model folder to its files other than weights, without hidden folders.

    Raises:
        BadInputError: one of them is a link to a file missing from its cache.
    """
    files: dict[str, Path | bytes] = {}
    folders = [path for path in source.iterdir() if path.is_dir() and path.name[0] != "."]
    for folder in (source, *sorted(folders)):
        weights = {
            path for found in find_weights(folder) for path in (*found.files, found.source) if path
        }
        for path in sorted(folder.iterdir()):
            if path in weights or not (path.suffix in TEXTS or path.name == "LICENSE"):
                continue
            if path.is_symlink() and not path.exists():
                raise BadInputError(
                    "this is a link to a missing file",
                    where=path,
                    remedy="download the model again, with all its files",
                )
            if path.is_file():
                files[str(path.relative_to(source))] = path
    return files
