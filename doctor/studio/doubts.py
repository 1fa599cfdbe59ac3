"""What a model does not say of itself, or says in two ways, and what would come of a wrong guess.

Such a thing is told in the open, and names the choice that settles it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.identify import Identity
from sdcoreml.convert.models.prediction import (
    EPSILON,
    VELOCITY,
    PredictionFinding,
)
from sdcoreml.doctor.studio.plain import as_sentence, plain
from sdcoreml.doctor.studio.wording import Text, say, title, together

KEY = "prediction-type"
"""The key of the choice that settles what a UNet predicts."""

_OTHER: Mapping[str, str] = {EPSILON: VELOCITY, VELOCITY: EPSILON}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A doubt about a model. `is_grave` is one for which something speaks; others are usual.

    `notes` are those of the model that say the same.
    """

    what: Text
    remedy: Text
    is_grave: bool
    notes: tuple[str, ...] = ()


def doubts_of(identity: Identity) -> Iterator[Doubt]:
    """Yield what is in doubt about a model; nothing of one that says what it is."""
    found = _prediction(identity)
    if found and found.kind in _OTHER and (found.against or not found.by):
        yield _doubt(found)
    if identity.settings:
        advice = identity.settings.advice
        remedy = say("doubt.settings")
        yield Doubt(what=as_sentence(advice), remedy=remedy, is_grave=False, notes=(advice,))


def is_prediction_in_doubt(identity: Identity) -> bool:
    """Whether something speaks against what a UNet is said to predict, or assumed to."""
    found = _prediction(identity)
    return bool(found and found.against)


def describe_own_size(identity: Identity) -> Text:
    """Say whether the size of pictures that a model has by itself is its own or its family's."""
    parts = identity.configs
    config = parts.get("unet") or parts.get(CONTROLNET) or {}
    is_read = identity.single is None and config.get("sample_size")
    return say("shape.trained" if is_read else "shape.usual")


def _prediction(identity: Identity) -> PredictionFinding | None:
    """Return what is known of a prediction; a folder's scheduler that says nothing means noise."""
    model, single = identity.model, identity.single
    if single:
        return single.prediction
    if model is None:
        return None
    found = model.prediction
    return found if found and (found.against or not model.scheduler) else None


def _doubt(found: PredictionFinding) -> Doubt:
    kind = found.kind or ""
    said = say(f"doubt.{kind}", by=as_sentence(found.by))
    if not found.by:
        said = say(f"doubt.{kind}.assumed")
    signs = [plain(one.removesuffix(" points")) for one in found.against]
    against = say("doubt.against", signs=signs, count=len(signs))
    what = together(said, against) if signs else said
    remedy = say(f"doubt.{kind}.remedy", group=title(KEY), choice=title(KEY, _OTHER[kind]))
    return Doubt(
        what=what,
        remedy=remedy,
        is_grave=bool(found.against),
        notes=found.notes,
    )


def as_finding(doubt: Doubt) -> dict[str, object]:
    """Convert a doubt to plain values for JSON, as a finding about a model."""
    return {
        "status": "warn" if doubt.is_grave else "info",
        "what": doubt.what,
        "where": "",
        "remedy": doubt.remedy,
        "code": None,
    }
