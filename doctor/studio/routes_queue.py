"""The routes of the queue, and of dropped files."""

from __future__ import annotations

from sdcoreml.doctor.queue.entry import Entry
from sdcoreml.doctor.studio.asking import LARGE, Ask
from sdcoreml.doctor.studio.lineup import LONGEST, PICTURES, sweep_pictures
from sdcoreml.doctor.studio.refusals import AbsentError, RequestError
from sdcoreml.doctor.studio.running import Studio
from sdcoreml.doctor.studio.way import Answer, Way
from sdcoreml.ground.visible import visible


def show(studio: Studio, _ask: Ask) -> Answer:
    """Show the queue."""
    return studio.lineup.queue()


def pause(studio: Studio, _ask: Ask) -> Answer:
    """Do nothing more; what is being done waits again."""
    studio.store.pause()
    return studio.lineup.queue()


def resume(studio: Studio, _ask: Ask) -> Answer:
    """Take back a pause."""
    studio.store.resume()
    return _go_on(studio)


def cancel(studio: Studio, ask: Ask) -> Answer:
    """Do not do an entry."""
    studio.store.cancel(_entry(studio, ask).id)
    return studio.lineup.queue()


def retry(studio: Studio, ask: Ask) -> Answer:
    """Do an entry again."""
    studio.store.retry(_entry(studio, ask).id)
    return _go_on(studio)


def remove(studio: Studio, ask: Ask) -> Answer:
    """Forget an entry, and a picture that it has drawn."""
    studio.store.remove(_entry(studio, ask).id)
    sweep_pictures(studio.store, studio.folder / PICTURES)
    return studio.lineup.queue()


def move(studio: Studio, ask: Ask) -> Answer:
    """Move an entry before another one, or to the end."""
    before = ask.text("before", "")
    studio.store.move(_entry(studio, ask).id, before or None)
    return studio.lineup.queue()


def log(studio: Studio, ask: Ask) -> Answer:
    """Return what an entry's command has said since an offset."""
    heard = studio.store.follow_log(_entry(studio, ask).id, ask.number("offset", 0))
    lines = [visible(line)[:LONGEST] for line in heard.lines]
    return {"lines": lines, "offset": heard.offset, "is_anew": heard.is_anew}


def _entry(studio: Studio, ask: Ask) -> Entry:
    return find_entry(studio, ask.parts["id"])


def find_entry(studio: Studio, number: str) -> Entry:
    """Return an entry of the queue.

    Raises:
        AbsentError: there is no such entry.
    """
    for entry in studio.store.read().entries:
        if entry.id == number:
            return entry
    raise AbsentError("the queue has no such entry any more", remedy="load the page again")


def _go_on(studio: Studio) -> Answer:
    studio.lineup.begin()
    return studio.lineup.queue()


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
    Way(method="GET", path="/api/queue", work=show),
    Way(method="POST", path="/api/queue/pause", work=pause, changes=True),
    Way(method="POST", path="/api/queue/resume", work=resume, changes=True),
    Way(method="POST", path="/api/queue/{id}/cancel", work=cancel, changes=True),
    Way(method="POST", path="/api/queue/{id}/retry", work=retry, changes=True),
    Way(method="POST", path="/api/queue/{id}/remove", work=remove, changes=True),
    Way(method="POST", path="/api/queue/{id}/move", work=move, changes=True),
    Way(method="GET", path="/api/queue/{id}/log", work=log),
    Way(method="GET", path="/api/drop/{id}", work=how_far, hand="drop"),
    Way(method="PUT", path="/api/drop/{id}", work=send_piece, hand="drop", most=LARGE),
    Way(method="DELETE", path="/api/drop/{id}", work=give_up, hand="drop"),
)
