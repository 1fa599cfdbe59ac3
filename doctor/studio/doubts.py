"""What a model does not say of itself, or says in two ways, and what would come of a wrong guess.

Such a thing is told in the open, and names the choice that settles it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.identify import Identity
from sdcoreml.convert.models.layout import ASSUMED
from sdcoreml.convert.models.prediction import (
    EPSILON,
    VELOCITY,
    PredictionFinding,
    read_prediction,
)
from sdcoreml.doctor.studio.plain import as_sentence
from sdcoreml.doctor.studio.wording import GROUPS, PREDICTIONS

KEY = "prediction-type"
"""The key of the choice that settles what a UNet predicts."""

_OTHER: Mapping[str, str] = {EPSILON: VELOCITY, VELOCITY: EPSILON}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A doubt about a model. `is_grave` is one for which something speaks; others are usual.

    `notes` are those of the model that say the same.
    """

    what: str
    remedy: str
    is_grave: bool
    notes: tuple[str, ...] = ()


def doubts_of(identity: Identity) -> Iterator[Doubt]:
    """Yield what is in doubt about a model; nothing of one that says what it is."""
    found = _prediction(identity)
    if found and found.kind in _OTHER and (found.against or not found.by):
        yield _doubt(found)
    if identity.settings:
        advice = identity.settings.advice
        remedy = "with an app's usual settings its pictures are poor"
        yield Doubt(what=advice, remedy=remedy, is_grave=False, notes=(advice,))


def is_prediction_in_doubt(identity: Identity) -> bool:
    """Whether something speaks against what a UNet is said to predict, or assumed to."""
    found = _prediction(identity)
    return bool(found and found.against)


def describe_own_size(identity: Identity) -> str:
    """Say whether the size of pictures that a model has by itself is its own or its family's."""
    parts = identity.configs
    config = parts.get("unet") or parts.get(CONTROLNET) or {}
    is_read = identity.single is None and config.get("sample_size")
    return "What the model was trained for." if is_read else "Usual for its kind; it says none."


def _prediction(identity: Identity) -> PredictionFinding | None:
    """Return what is known of a prediction; a folder's scheduler that says nothing means noise."""
    model, single = identity.model, identity.single
    if single:
        return single.prediction
    if model is None or "unet" not in model.components:
        return None
    found = read_prediction(model.scheduler, model.path.resolve())
    is_told = found.by or ASSUMED not in model.notes
    return found if found.against or not is_told else None


def _doubt(found: PredictionFinding) -> Doubt:
    kind, other = (PREDICTIONS[one].title for one in (found.kind or "", _OTHER[found.kind or ""]))
    says = f"{found.by} says that its UNet predicts {kind.lower()}"
    if not found.by:
        says = f"it does not say what its UNet predicts: {kind.lower()} is assumed"
    but = f", though {' and '.join(found.against)} the other way" if found.against else ""
    remedy = (
        f"if its author says {other.lower()}, choose that at “{GROUPS[KEY].title}”; with the wrong"
        " one, pictures are noise"
    )
    return Doubt(
        what=f"{says}{but}",
        remedy=remedy,
        is_grave=bool(found.against),
        notes=(*found.notes, ASSUMED),
    )


def as_finding(doubt: Doubt) -> dict[str, object]:
    """Convert a doubt to plain values for JSON, as a finding about a model."""
    return {
        "status": "warn" if doubt.is_grave else "info",
        "what": as_sentence(doubt.what),
        "where": "",
        "remedy": as_sentence(doubt.remedy),
        "code": None,
    }
