"""What a UNet predicts, noise or velocity: its tensors do not say, so every hint is looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.weights.source import Checkpoint
from sdcoreml.ground.errors import BadInputError

SPELLINGS = {"epsilon": "epsilon", "v_prediction": "v_prediction", "v-prediction": "v_prediction"}

# Training steps at which the SD 2 checkpoints were published, as in diffusers' conversion.
_STEPS_EPSILON = 875_000

_VELOCITY = r"""^\s*parameterization:\s*(["']?)v\1\s*(?:#.*)?$"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSource:
    """What was told beside the checkpoint: the option, and the training config (YAML) if any."""

    option: str | None = None
    config: Path | None = None


def find_prediction(
    family: Family, checkpoint: Checkpoint, told: PredictionSource | None
) -> str | None:
    """`"epsilon"`, `"v_prediction"`, or `None` when nothing tells.

    In this order: the option; the training config given or lying beside the file; metadata; a mark
    among the tensors; the number of training steps; the family, where all its models agree.
    """
    told = told or PredictionSource()
    if told.option:
        return SPELLINGS[told.option]
    beside = checkpoint.path.with_suffix(".yaml")
    config = told.config or (beside if beside.is_file() else None)
    if config:
        return read_parameterization(config)
    return _marked(checkpoint) or _usual(family, checkpoint)


def _marked(checkpoint: Checkpoint) -> str | None:
    if any(tensor.name == "v_pred" for tensor in checkpoint.tensors):
        return "v_prediction"
    return SPELLINGS.get(checkpoint.metadata.get("modelspec.prediction_type", ""))


def _usual(family: Family, checkpoint: Checkpoint) -> str | None:
    if family is not Family.SD2_V:
        return "epsilon"
    steps = checkpoint.scalars.get("global_step")
    if steps is None:
        return None
    return "epsilon" if steps == _STEPS_EPSILON else "v_prediction"


def read_parameterization(path: Path) -> str:
    """The prediction type of a training config in YAML. Raises `BadInputError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"not readable ({error})", where=path, remedy="give the model's YAML config"
        ) from None
    is_velocity = re.search(_VELOCITY, text, re.MULTILINE)
    return "v_prediction" if is_velocity else "epsilon"
