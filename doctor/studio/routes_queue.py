"""The routes of the queue."""

from __future__ import annotations

from sdcoreml.doctor.queue.entry import Entry
from sdcoreml.doctor.studio.asking import Ask
from sdcoreml.doctor.studio.lineup import LONGEST, PICTURES, sweep_pictures
from sdcoreml.doctor.studio.refusals import AbsentError
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


WAYS: tuple[Way, ...] = (
    Way(method="GET", path="/api/queue", work=show),
    Way(method="POST", path="/api/queue/pause", work=pause, changes=True),
    Way(method="POST", path="/api/queue/resume", work=resume, changes=True),
    Way(method="POST", path="/api/queue/{id}/cancel", work=cancel, changes=True),
    Way(method="POST", path="/api/queue/{id}/retry", work=retry, changes=True),
    Way(method="POST", path="/api/queue/{id}/remove", work=remove, changes=True),
    Way(method="POST", path="/api/queue/{id}/move", work=move, changes=True),
    Way(method="GET", path="/api/queue/{id}/log", work=log),
)
