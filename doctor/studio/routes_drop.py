"""The routes of what is dropped on the page: its two ends, then piece after piece."""

from __future__ import annotations

from sdcoreml.doctor.studio.asking import LARGE, LIST, Ask
from sdcoreml.doctor.studio.dropped import Drop, File, choose_files
from sdcoreml.doctor.studio.refusals import RequestError
from sdcoreml.doctor.studio.routes_models import examine_reference
from sdcoreml.doctor.studio.running import Studio
from sdcoreml.doctor.studio.way import Answer, Way


def drop(studio: Studio, ask: Ask) -> Answer:
    """Say what a dropped file is, from its two ends."""
    return examine_reference(studio, {"drop": begin_drop(studio, ask)})


def drop_folder(studio: Studio, ask: Ask) -> Answer:
    """Take the list of a dropped folder's files; say which of them are to be sent."""
    sent = ask.json().get("files")
    listed = [_file(*one) for one in enumerate(sent)] if isinstance(sent, list) else []
    made = studio.drops.begin_folder(_name(ask), choose_files(_name(ask), listed))
    return {"drop": made.id, "wants": [one.number for one in made.files]}


def _file(number: int, sent: object) -> File:
    match sent:
        case {"path": str(path), "size": int(size)} if not isinstance(size, bool):
            return File(path=path, size=size, number=number)
    raise RequestError("this is no file", where="the request")


def _name(ask: Ask) -> str:
    if name := ask.query.get("name", ""):
        return name
    raise RequestError("what is dropped has no name", where="the request")


def _place(drop: Drop, ask: Ask) -> int:
    """Return which file of a folder is meant; of a dropped file there is one."""
    return drop.place_of(ask.number("file")) if drop.files else 0


def _handle(studio: Studio, drop: Drop) -> Answer:
    """Return the handle of what was dropped, if all of it has come."""
    is_whole = studio.drops.received_all(drop) == drop.size
    return {"handle": studio.signer.sign(studio.drops.path(drop))} if is_whole else {}


def send_ends(studio: Studio, ask: Ask) -> Answer:
    """Take the two ends of a file of a dropped folder."""
    found = studio.drops.find(ask.parts["id"])
    studio.drops.add_ends(found, found.place_of(ask.number("file")), ask.body)
    return {}


def send_piece(studio: Studio, ask: Ask) -> Answer:
    """Take the next piece of a dropped file; the answer has its handle once all has come."""
    drops, found = studio.drops, studio.drops.find(ask.parts["id"])
    received = drops.add(found, ask.number("offset"), ask.body, _place(found, ask))
    so_far = {"all": drops.received_all(found)} if found.files else {}
    return {"received": received, **so_far, **_handle(studio, found)}


def how_far(studio: Studio, ask: Ask) -> Answer:
    """Say how much of what was dropped has come."""
    drops, found = studio.drops, studio.drops.find(ask.parts["id"])
    files = [
        {"file": one.number, "received": drops.received(found, place), "size": one.size}
        for place, one in enumerate(found.files)
    ]
    told = {"received": drops.received_all(found), "size": found.size}
    return {**told, **({"files": files} if files else {})}


def give_up(studio: Studio, ask: Ask) -> Answer:
    """Remove a dropped file."""
    studio.drops.remove(studio.drops.find(ask.parts["id"]))
    return {}


def begin_drop(studio: Studio, ask: Ask) -> str:
    """Take the two ends of a dropped file; return its id.

    Raises:
        RequestError: it has no name or no size.
    """
    return studio.drops.begin(_name(ask), ask.number("size"), ask.body).id


WAYS: tuple[Way, ...] = (
    Way(method="POST", path="/api/drop", work=drop, hand="slow", most=LARGE),
    Way(method="POST", path="/api/drop/folder", work=drop_folder, hand="drop", most=LIST),
    Way(method="PUT", path="/api/drop/{id}/ends", work=send_ends, hand="drop", most=LARGE),
    Way(method="GET", path="/api/drop/{id}", work=how_far, hand="drop"),
    Way(method="PUT", path="/api/drop/{id}", work=send_piece, hand="drop", most=LARGE),
    Way(method="DELETE", path="/api/drop/{id}", work=give_up, hand="drop"),
)
