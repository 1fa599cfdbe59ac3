"""The folder that a conversion starts from: the one that was given, or one made for it aside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.families import require_family
from sdcoreml.convert.bundle.noise import refuse_schedule
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.models.family import identify
from sdcoreml.convert.models.folder_plan import FolderPlan, write_folder
from sdcoreml.convert.models.ingredients import Ingredients, combine, require_folders_own
from sdcoreml.convert.models.layout import INDEX_NAME, Model
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import Weights
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.ground.aside import scratch_beside
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.digest import describe
from sdcoreml.ground.errors import BadInputError, SdcoremlError, raise_first
from sdcoreml.ground.events import Emit, Event, silent


@contextmanager
def opened(ingredients: Ingredients, near: Path, emit: Emit = silent) -> Iterator[Model]:
    """The model to convert; a single file, or a folder to change, is put together on the way.

    That is done in a hidden folder in the folder `near`, at the speed of a copy, and what needs no
    change is linked; it is gone when the block ends. The model's name and the errors are those of
    what was given.

    Raises:
        SdcoremlError: any of the given files is not fit, or the disk is full.
    """
    if ingredients.is_plain:
        require_folders_own(ingredients)
        yield open_model(ingredients.model)
        return
    given = ingredients.model
    name = given.stem if given.is_file() else given.resolve().name
    plan = combine(ingredients, emit)
    _require_supported(plan, ingredients)
    with scratch_beside(near / name) as scratch:
        folder = scratch / name
        try:
            emit(Event(kind="step", text=f"unpack {given.name}"))
            write_folder(plan, folder, emit=emit)
            model = open_model(folder)
            yield replace(
                model, origin=origin_of(ingredients), notes=plan.notes, settings=plan.settings
            )
        except SdcoremlError as error:  # nobody shall look for a file under its passing name
            error.move(folder, given)
            error.move(scratch, near)
            raise


@contextmanager
def opened_again(
    path: Path, manifest: Manifest, near: Path, emit: Emit = silent
) -> Iterator[Model]:
    """The single file that the finished folder of `manifest` was made from, unpacked as then.

    Raises:
        BadInputError: more than this file went into it, or the file is not fit.
    """
    origin = manifest.model.made_from
    if others := sorted(name for name in origin.get("files", {}) if name != path.name):
        raise BadInputError(
            f"{', '.join(others)} went into this folder, too",
            where=path,
            remedy=(
                "put all together again with .venv/bin/python -m convert, and "
                "verify against that folder"
            ),
        )
    averaged = origin.get("averaged", False)
    prediction = manifest.options.prediction
    unpacking = UnpackOptions(
        told=PredictionSource(option=prediction and prediction.value),
        weights=Weights.AVERAGED if averaged else Weights.TRAINED,
    )
    ingredients = Ingredients(model=path, unpacking=unpacking, accepts_schedule=True)
    with opened(ingredients, near, emit) as model:
        yield model


def origin_of(ingredients: Ingredients) -> Mapping[str, Any]:
    """What a manifest says of the files that a model was put together from."""
    return {
        "files": to_plain(describe({path.name: path for path in ingredients.files()})),
        "averaged": ingredients.unpacking.weights is Weights.AVERAGED,
        "loras": [[source.path.name, source.scale] for source in ingredients.loras],
        "embeddings": [[source.path.name, source.word] for source in ingredients.embeddings],
    }


def _require_supported(plan: FolderPlan, ingredients: Ingredients) -> None:
    """Refuse what the folder would be before it is written."""
    pipeline = json.loads(_content(plan, INDEX_NAME))["_class_name"]
    scheduler = json.loads(_content(plan, "scheduler/scheduler_config.json"))
    configs = {name: part.config for name, part in plan.parts.items()}
    require_family(*identify(pipeline, configs, scheduler), ingredients.model)
    if not ingredients.accepts_schedule:
        raise_first([*filter(None, [refuse_schedule(scheduler, ingredients.model)])])


def _content(plan: FolderPlan, name: str) -> bytes:
    content = plan.files.get(name, b"{}")
    return content.read_bytes() if isinstance(content, Path) else content
