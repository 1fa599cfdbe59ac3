"""Plans a diffusers folder from a single-file checkpoint: its components, and new configs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.models.configs import model_index, scheduler_config
from sdcoreml.convert.models.files import CONFIG_NAME, INDEX_NAME
from sdcoreml.convert.models.folder_plan import ComponentFiles, FolderPlan, as_json
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import SingleFile, Weights, take_apart
from sdcoreml.convert.models.tokenizer import PADS, find_tokenizer
from sdcoreml.convert.models.vae import read_vae
from sdcoreml.convert.weights.source import Checkpoint
from sdcoreml.ground.errors import BadInputError, Fault, raise_first
from sdcoreml.ground.events import Emit, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackOptions:
    """Facts that the user can give about a checkpoint that does not state them itself.

    `image_size` is in pixels; `scheduler` is one of `configs.SCHEDULERS`; `upcast_attention` is as
    in the UNet's config, `None` for the family's default. With `is_draft`, the plan has no
    tokenizer, since that might have to be downloaded. With `only_unet`, nothing but the UNet is
    needed, nor taken: the app has the rest.
    """

    told: PredictionSource | None = None
    image_size: int | None = None
    weights: Weights = Weights.TRAINED
    scheduler: str | None = None
    upcast_attention: bool | None = None
    vae: Path | None = None
    tokenizer: Path | None = None
    is_draft: bool = False
    only_unet: bool = False


UNSAID = Fault(
    where="",
    what="a Stable Diffusion 2.x model that does not say what it predicts",
    remedy="give --prediction_type epsilon (the 512 base) or v_prediction (the 768 model)",
)


def unpack(
    checkpoint: Checkpoint,
    options: UnpackOptions,
    emit: Emit = silent,
    single: SingleFile | None = None,
) -> FolderPlan:
    """Plan the folder of the model in `checkpoint`; `single` is that model, if already taken apart.

    Raises:
        BadInputError: the checkpoint is not whole, or lacks a needed fact.
        SdcoremlError: there is no tokenizer next to it, and none can be downloaded.
    """
    path = checkpoint.path
    single = single or take_apart(
        checkpoint,
        options.told,
        image_size=options.image_size,
        weights=options.weights,
        only_unet=options.only_unet,
    )
    if single is None:
        raise BadInputError(
            "not a whole Stable Diffusion 1.x, 2.x or XL checkpoint",
            where=path,
            remedy="give a whole checkpoint",
        )
    raise_first(single.faults)
    if single.prediction.kind is None:
        raise UNSAID.at(path).as_error()
    parts = dict(single.parts)
    if options.vae:
        parts["vae"] = read_vae(options.vae, single.family, single.image_size)
    if options.only_unet:
        parts = {"unet": parts["unet"]}
    elif "vae" not in parts:
        raise BadInputError("has no VAE", where=path, remedy="give one with --vae_path")
    unet = parts["unet"]
    upcast = options.upcast_attention
    if upcast is None:
        upcast = _upcasts(checkpoint) or bool(unet.config.get("upcast_attention"))
    config = {**unet.config, "upcast_attention": upcast}
    parts["unet"] = ComponentFiles(kind=unet.kind, config=config, tensors=unet.tensors)
    plan = _plan(single, parts, single.prediction.kind, options)
    plan = replace(plan, notes=single.notes, settings=single.settings)
    if options.is_draft or options.only_unet:
        return plan
    tokenizer = find_tokenizer(path, options.tokenizer, emit)
    return replace(plan, files={**plan.files, **tokenizer.files(single.family)})


def _upcasts(checkpoint: Checkpoint) -> bool:
    """Whether attention needs float32, as in SD 2.1, recognised by its number of training steps."""
    return checkpoint.scalars.get("global_step") == 110_000  # noqa: PLR2004  published with it


def _plan(
    single: SingleFile, parts: dict[str, ComponentFiles], prediction: str, options: UnpackOptions
) -> FolderPlan:
    family = single.family
    scheduler = {**scheduler_config(family, prediction, options.scheduler), **single.schedule}
    kinds = {name: part.kind for name, part in parts.items()}
    tokenizers = {} if options.only_unet else dict.fromkeys(PADS[family], "CLIPTokenizer")
    index = model_index(family, single.task, kinds, tokenizers, str(scheduler["_class_name"]))
    files: dict[str, Path | bytes] = {
        INDEX_NAME: as_json(index),
        "scheduler/scheduler_config.json": as_json(scheduler),
        **{f"{name}/{CONFIG_NAME}": as_json(part.config) for name, part in parts.items()},
    }
    return FolderPlan(parts=parts, files=files)
