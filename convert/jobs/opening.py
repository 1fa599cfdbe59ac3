"""Opens the model to convert, and refuses it early if it cannot be converted."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.bundle.families import REFINER
from sdcoreml.convert.bundle.judgement import ONE_OF, judge, raise_gravest
from sdcoreml.convert.models.contents import Kind
from sdcoreml.convert.models.controlnet import is_controlnet, read_controlnet
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.identify import identify_path
from sdcoreml.convert.models.layout import Model, read_model
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.ground.errors import BadInputError, UnsupportedError, raise_first


def open_model(
    path: Path, *, only_unet: bool = False, told: PredictionSource | None = None
) -> Model:
    """Read the folder of a model or a ControlNet, and refuse what cannot be converted.

    With `only_unet`, nothing but the UNet is needed, which can be a folder of its own; `told` is
    what the user says that it predicts.

    Raises:
        BadInputError: the folder is damaged or incomplete; the message names the first fault.
        UnsafePickleError: a weight file names code that has no place in a checkpoint.
        UnsupportedError: the family or task cannot be converted.
    """
    if path.is_file():
        raise BadInputError(
            "this is a single file, but a model folder is needed",
            where=path,
            remedy="unpack it first: `python -m sdcoreml.convert --checkpoint_path"
            f" {shlex.quote(str(path))} --dump_path FOLDER`",
        )
    judgement = judge(path, UnpackOptions(only_unet=only_unet, told=told))
    raise_gravest(judgement.obstacles, judgement.identity.path)
    if (model := judgement.identity.model) is None:
        raise BadInputError("not a model folder", where=path, remedy=ONE_OF)
    return model


def with_refiner(model: Model, path: Path) -> Model:
    """Add the UNet of the refiner in the folder `path` to SDXL's base model, as a component.

    Raises:
        BadInputError: the refiner's folder is damaged or incomplete.
        UnsupportedError: `model` is not SDXL's base, or `path` is not its refiner.
    """
    if model.family is not Family.SDXL:
        raise UnsupportedError(
            f"this is {model.family.value}, but a refiner needs {Family.SDXL.value}",
            where=model.path,
            remedy="leave --refiner out",
        )
    refiner = open_model(path)
    if refiner.family is not Family.SDXL_REFINER:
        raise UnsupportedError(
            f"this is {refiner.family.value}, not a refiner",
            where=path,
            remedy=f"give the folder of {REFINER} that belongs to Stable Diffusion XL",
        )
    unet = replace(refiner.components["unet"], name=REFINER)
    return replace(model, components={**model.components, REFINER: unet})


def open_again(
    path: Path, refiner: Path | None = None, told: PredictionSource | None = None
) -> Model:
    """Open the model that a finished folder was made from, without checking that it is supported.

    `told` is what a UNet alone was said to predict then.

    Raises:
        BadInputError: the folder is damaged or incomplete.
    """
    if is_controlnet(path):
        return _sound(read_controlnet(path))
    alone = identify_path(path, UnpackOptions(only_unet=True, told=told))
    if alone.contents.kind is Kind.UNET and alone.model:
        return _sound(alone.model)
    model = _sound(read_model(path))
    return with_refiner(model, refiner) if refiner else model


def _sound(model: Model) -> Model:
    raise_first(model.faults)
    return model
