"""Checks a UNet's prediction type and noise schedule against those of the apps' schedulers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdcoreml.convert.models.prediction import EPSILON, VELOCITY
from sdcoreml.convert.models.schedule import ACCEPT, describe_difference
from sdcoreml.ground.errors import Fault, UnsupportedError

KINDS = frozenset({EPSILON, VELOCITY})
"""The prediction types from which a program can compute the noise that the apps expect."""

SAY_WHAT = "if it predicts something else, say what with --prediction-type"


def refuse_prediction(kind: str | None, path: Path) -> Fault | None:
    """Return the fault if a UNet that predicts `kind` cannot be converted, else `None`.

    A `kind` of `None` means that it is unknown, which is no fault.
    """
    if kind is None or kind in KINDS:
        return None
    what = f"its UNet predicts {kind!r}, from which this converter cannot compute noise"
    return Fault(where=path, what=what, remedy=SAY_WHAT, error=UnsupportedError)


def refuse_schedule(scheduler: Mapping[str, object], path: Path) -> Fault | None:
    """Return the fault if the apps cannot follow this `scheduler_config.json`, else `None`."""
    return refuse_difference(describe_difference(scheduler), path)


def refuse_difference(difference: str, path: Path) -> Fault | None:
    """Return the fault for a noise schedule with this `difference` from the apps', if it has one.

    `difference` is the result of `describe_difference`, empty if there is none.
    """
    if not difference:
        return None
    remedy = f"{ACCEPT} converts it anyway, but its pictures will be wrong"
    return Fault(where=path, what=difference, remedy=remedy, error=UnsupportedError)
