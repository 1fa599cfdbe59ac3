"""The routes of what is dropped on the page: its two ends, then piece after piece."""

from __future__ import annotations

from sdcoreml.doctor.studio.asking import LARGE, Ask
from sdcoreml.doctor.studio.refusals import RequestError
from sdcoreml.doctor.studio.routes_models import examine_reference
from sdcoreml.doctor.studio.running import Studio
from sdcoreml.doctor.studio.way import Answer, Way


def drop(studio: Studio, ask: Ask) -> Answer:
    """Say what a dropped file is, from its two ends."""
    return examine_reference(studio, {"drop": begin_drop(studio, ask)})


def send_piece(studio: Studio, ask: Ask) -> Answer:
    """Take the next piece of a dropped file; the last one's answer has its handle."""
    drop = studio.drops.find(ask.parts["id"])
    received = studio.drops.add(drop, ask.number("offset"), ask.body)
    if received < drop.size:
        return {"received": received}
    return {"received": received, "handle": studio.signer.sign(studio.drops.path(drop))}


def how_far(studio: Studio, ask: Ask) -> Answer:
    """Say how much of a dropped file has come."""
    drop = studio.drops.find(ask.parts["id"])
    return {"received": studio.drops.received(drop), "size": drop.size}


def give_up(studio: Studio, ask: Ask) -> Answer:
    """Remove a dropped file."""
    studio.drops.remove(studio.drops.find(ask.parts["id"]))
    return {}


def begin_drop(studio: Studio, ask: Ask) -> str:
    """Take the two ends of a dropped file; return its id.

    Raises:
        RequestError: it has no name or no size.
    """
    name = ask.query.get("name", "")
    if not name:
        raise RequestError("the file has no name", where="the request")
    return studio.drops.begin(name, ask.number("size"), ask.body).id


WAYS: tuple[Way, ...] = (
    Way(method="POST", path="/api/drop", work=drop, hand="slow", most=LARGE),
    Way(method="GET", path="/api/drop/{id}", work=how_far, hand="drop"),
    Way(method="PUT", path="/api/drop/{id}", work=send_piece, hand="drop", most=LARGE),
    Way(method="DELETE", path="/api/drop/{id}", work=give_up, hand="drop"),
)
