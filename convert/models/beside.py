"""What a UNet's weights do not show, from what lies beside them: its config, and its noise.

A UNet alone is given as a file or as its folder. Both ask here, so that they are judged alike. What
lies beside can be another model's: if it does not fit, or cannot be read, a note says that it is
not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.files import CONFIG_NAME, INDEX_NAME, find_scheduler, is_part
from sdcoreml.convert.models.model_index import kind_of
from sdcoreml.convert.models.prediction import (
    EPSILON,
    PredictionFinding,
    PredictionSource,
    find_config,
    find_prediction,
    has_zero_terminal_snr,
    read_schedule,
)
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.weights.source import Checkpoint
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document

SD2 = frozenset({Family.SD2_BASE, Family.SD2_V})
"""The two families of SD 2.x, which only what they predict tells apart."""

UNSAID = "does not state its prediction type; give it with --prediction_type"

_UNET = "UNet2DConditionModel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A config beside a UNet's weights, empty if there is none to use; `notes` say why."""

    config: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What a UNet predicts, and on which schedule.

    `schedule` has what is known of its scheduler's config, without the prediction type. `family` is
    SD 2.x v-prediction where only what an SD 2.x model predicts would tell, and nothing does.
    """

    family: Family
    prediction: PredictionFinding
    schedule: Mapping[str, object]
    notes: tuple[str, ...]

    @property
    def scheduler(self) -> Mapping[str, object]:
        """The scheduler's config, with the prediction type if there is evidence for it."""
        said = {"prediction_type": self.prediction.kind} if self.prediction.by else {}
        return {**self.schedule, **said}


def config_beside(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> Beside:
    """Find the config.json of a UNet whose weights, of these `shapes`, are in `file`.

    It says what the weights do not show: the number of heads, and the size of pictures. A folder of
    many UNets has one config.json at most, so it counts only if the weights are exactly those that
    it describes.
    """
    path = file.parent / CONFIG_NAME
    if not path.is_file():
        return Beside()
    found = _read(path)
    if kind_of(found.config) != _UNET or not (described := parameters(_UNET, found.config)):
        return Beside(notes=found.notes)
    if described != shapes:
        return Beside(notes=(f"{path.name} beside it describes another UNet: not used",))
    return found


def judge_noise(family: Family, checkpoint: Checkpoint, told: PredictionSource | None) -> Noise:
    """Judge what the UNet in `checkpoint` predicts, and on which schedule.

    Raises:
        BadInputError: its training config cannot be read.
    """
    beside = scheduler_beside(checkpoint.path)
    asked = Family.SD2_V if family in SD2 else family
    prediction = find_prediction(asked, checkpoint, told, beside.config)
    if family in SD2:
        family = Family.SD2_BASE if prediction.kind == EPSILON else Family.SD2_V
    return Noise(
        family=family,
        prediction=prediction,
        schedule=_schedule(checkpoint, told, beside.config),
        notes=(*beside.notes, *prediction.notes),
    )


def scheduler_beside(file: Path) -> Beside:
    """Find the scheduler's config of the model whose part's weights are in `file`.

    So of `MODEL/unet/diffusion_pytorch_model.safetensors` with a config.json beside it, where MODEL
    has an index, or the part's folder the name that all UNets have in a model.
    """
    part = file.parent.resolve()
    is_in_model = part.name == "unet" or (part.parent / INDEX_NAME).is_file()
    place = find_scheduler(part.parent) if is_in_model and is_part(part) else None
    return _read(place) if place else Beside()


def _read(path: Path) -> Beside:
    try:
        return Beside(config=read_object(path, Document.CONFIG))
    except BadInputError as error:
        return Beside(notes=(f"{path.name} beside it is not used: {error.fault.what}",))


def _schedule(
    checkpoint: Checkpoint, told: PredictionSource | None, scheduler: Mapping[str, object]
) -> Mapping[str, object]:
    """Read the noise schedule from the model's scheduler, a training config and markers."""
    config = find_config(checkpoint, told)
    found = {**(read_schedule(config) if config else scheduler)}
    found.pop("prediction_type", None)
    if has_zero_terminal_snr(checkpoint):
        found["rescale_betas_zero_snr"] = True
    for tensor in checkpoint.tensors:
        if tensor.name == "edm_vpred.sigma_max":
            found["_class_name"] = "EDMEulerScheduler"
        if tensor.name == "alphas_cumprod" and len(tensor.shape) == 1:
            found["num_train_timesteps"] = tensor.shape[0]
    return found
