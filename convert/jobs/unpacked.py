"""Provides the model folder for a conversion: the given folder, or a temporary one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.bundle.judgement import Judgement, judge, raise_gravest
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.models.family import identify
from sdcoreml.convert.models.files import INDEX_NAME, is_part
from sdcoreml.convert.models.folder_plan import FolderPlan, write_folder
from sdcoreml.convert.models.ingredients import (
    Ingredients,
    Opened,
    combine,
    require_folders_own,
)
from sdcoreml.convert.models.layout import Component, Model
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import Weights
from sdcoreml.convert.models.unet_alone import name_alone
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.ground.aside import scratch_beside
from sdcoreml.ground.codec import as_object, to_plain
from sdcoreml.ground.digest import describe
from sdcoreml.ground.documents import parse_json, read_object
from sdcoreml.ground.errors import BadInputError, SdcoremlError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document


@contextmanager
def prepare_model(ingredients: Ingredients, near: Path, emit: Emit = silent) -> Iterator[Model]:
    """Open the model to convert, and yield it.

    If a single file was given, or a folder with files to merge into it, a temporary model folder is
    assembled first: a hidden folder in `near`, which is removed when the block ends. Assembling
    takes about as long as copying; files that need no change are linked. The model's name and
    errors refer to what was given, not to the temporary folder.

    Raises:
        SdcoremlError: one of the given files is unsuitable, or the disk is full.
    """
    if ingredients.is_plain:
        require_folders_own(ingredients)
        yield _open_plain(ingredients)
        return
    given = ingredients.model
    name = _name_of(ingredients)
    plan = combine(ingredients, emit)
    _require_supported(ingredients)
    with scratch_beside(near / name) as scratch:
        folder = scratch / name
        try:
            emit(Event(kind="step", text=f"unpack {given.name}"))
            write_folder(plan, folder, emit=emit)
            model = open_model(folder, only_unet=ingredients.unpacking.only_unet)
            yield replace(
                model, origin=origin_of(ingredients), notes=plan.notes, settings=plan.settings
            )
        except SdcoremlError as error:  # errors must not name a file by its temporary path
            error.move(folder, given)
            error.move(scratch, near)
            raise


def _open_plain(ingredients: Ingredients) -> Model:
    options = ingredients.unpacking
    return open_model(ingredients.model, only_unet=options.only_unet, told=options.told)


def _name_of(ingredients: Ingredients) -> str:
    """Return the name of the folder to assemble: by it the programs are named."""
    given = ingredients.model
    is_alone = ingredients.unpacking.only_unet and (given.is_file() or is_part(given))
    own = given.stem if given.is_file() else given.resolve().name
    return (is_alone and name_alone(given)) or own


def draft(
    ingredients: Ingredients, emit: Emit = silent, judgement: Judgement | None = None
) -> Model:
    """Return the model that `prepare_model` would yield, without its weights.

    Nothing is written or downloaded. `judgement` is that of the model with these ingredients, if it
    was judged already, and can be converted.

    Raises:
        SdcoremlError: as `prepare_model`.
    """
    if ingredients.is_plain:
        require_folders_own(ingredients)
        identity = judgement.identity if judgement else None
        return (identity and identity.model) or _open_plain(ingredients)
    if judgement is None:
        _require_supported(ingredients)
    given = ingredients.model
    # A textual inversion changes the tokenizer, so there must be one.
    unpacking = replace(ingredients.unpacking, is_draft=not ingredients.embeddings)
    plan = combine(replace(ingredients, unpacking=unpacking), emit, _opened(judgement))
    name = given.with_suffix("") if given.is_file() else given
    configs = {name: part.config for name, part in plan.parts.items()}
    pipeline = str(_parse_config(plan, INDEX_NAME).get("_class_name", ""))
    scheduler = _parse_config(plan, "scheduler/scheduler_config.json")
    family, task = identify(pipeline, configs, scheduler)
    return Model(
        path=name,
        pipeline=pipeline,
        family=family,
        task=task,
        components={
            key: Component(name=key, folder=given, kind=part.kind, config=part.config)
            for key, part in plan.parts.items()
        },
        tokenizers={},
        scheduler=scheduler,
        origin={},
        notes=plan.notes,
        settings=plan.settings,
    )


def _opened(judgement: Judgement | None) -> Opened | None:
    found = judgement.identity if judgement else None
    if found is None or found.checkpoint is None or found.single is None:
        return None
    return Opened(checkpoint=found.checkpoint, single=found.single)


def _parse_config(plan: FolderPlan, name: str) -> Mapping[str, object]:
    content = plan.files.get(name, b"{}")
    if isinstance(content, Path):
        return read_object(content, Document.CONFIG)
    parsed = parse_json(content, name)
    return parsed if isinstance(parsed, dict) else {}


@contextmanager
def unpack_again(
    path: Path,
    manifest: Manifest,
    near: Path,
    emit: Emit = silent,
    tokenizer: Path | None = None,
) -> Iterator[Model]:
    """Unpack the single file that a finished folder was made from, exactly as before.

    `manifest` is the manifest of the finished folder, and `tokenizer` the folder of the tokenizer
    that was given with the file, if any.

    Raises:
        BadInputError: the folder was made from further files as well, or the file is unsuitable.
    """
    origin = manifest.model.made_from
    if others := sorted(
        name for name in as_object(origin.get("files", {}), "files") if name != path.name
    ):
        raise BadInputError(
            f"the folder was made from other files, too: {', '.join(others)}",
            where=path,
            remedy="combine them again with `python -m sdcoreml.convert --checkpoint_path"
            f" {shlex.quote(str(path))} --dump_path FOLDER ...`, and verify against that folder",
        )
    averaged = origin.get("averaged", False)
    prediction = manifest.options.prediction
    unpacking = UnpackOptions(
        told=PredictionSource(option=prediction and prediction.value),
        weights=Weights.AVERAGED if averaged else Weights.TRAINED,
        tokenizer=tokenizer,
        only_unet=manifest.options.is_for_comfyui,
    )
    ingredients = Ingredients(model=path, unpacking=unpacking, accepts_schedule=True)
    with prepare_model(ingredients, near, emit) as model:
        yield model


def origin_of(ingredients: Ingredients) -> Mapping[str, object]:
    """Return the manifest's record of the files that a model was assembled from."""
    return {
        "files": to_plain(describe({path.name: path for path in ingredients.files()})),
        "averaged": ingredients.unpacking.weights is Weights.AVERAGED,
        "loras": [[source.path.name, source.scale] for source in ingredients.loras],
        "embeddings": [[source.path.name, source.word] for source in ingredients.embeddings],
    }


def _require_supported(ingredients: Ingredients) -> None:
    """Raise an error for a model that cannot be converted, before its folder is written."""
    accepts = ingredients.accepts_schedule
    judgement = judge(ingredients.model, ingredients.unpacking, accepts_schedule=accepts)
    raise_gravest((*judgement.obstacles, *judgement.discords), judgement.identity.path)
