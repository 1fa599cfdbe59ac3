"""What the apps' schedulers and a UNet must agree on: prediction type and noise schedule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdcoreml.convert.models.prediction import EPSILON, VELOCITY
from sdcoreml.convert.models.schedule import ACCEPT, describe_difference
from sdcoreml.ground.errors import Fault, UnsupportedError

KINDS = frozenset({EPSILON, VELOCITY})
"""The predictions that a program can turn into the noise that the apps expect."""


def refuse_prediction(kind: str | None, path: Path) -> Fault | None:
    """Why a UNet predicting `kind` cannot be converted; `None` if it can or `kind` is unknown."""
    if kind is None or kind in KINDS:
        return None
    what = f"its UNet predicts {kind!r}, which no program here turns into noise"
    remedy = "if that is wrong, say what it predicts with --prediction-type"
    return Fault(where=path, what=what, remedy=remedy, error=UnsupportedError)


def refuse_schedule(scheduler: Mapping[str, object], path: Path) -> Fault | None:
    """Why the apps cannot drive a model of this `scheduler_config.json`; `None` if they can."""
    return refuse_difference(describe_difference(scheduler), path)


def refuse_difference(difference: str, path: Path) -> Fault | None:
    """Why the apps cannot use a schedule with the difference that `describe_difference` found."""
    if not difference:
        return None
    remedy = f"{ACCEPT} converts it all the same; its pictures will be off"
    return Fault(where=path, what=difference, remedy=remedy, error=UnsupportedError)
