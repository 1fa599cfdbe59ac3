"""What the page can ask for: functions of values, in a literal table."""

from __future__ import annotations

import sys
from functools import cache

import sdcoreml
from sdcoreml.convert.deliver.mochi import find_mochi, is_there
from sdcoreml.convert.jobs.manifest import REPORT
from sdcoreml.doctor.studio import places, routes_drop, routes_models, routes_pictures, routes_queue
from sdcoreml.doctor.studio.asking import Ask
from sdcoreml.doctor.studio.refusals import AbsentError
from sdcoreml.doctor.studio.running import Studio, machine
from sdcoreml.doctor.studio.way import Answer, Media, Way
from sdcoreml.envs.kept import store
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_bytes
from sdcoreml.ground.places import home_folder

REPORT_POLICY = (
    "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a report may do: show itself, with its own style. It has another origin than the page, so
that one which somebody else has made can ask the studio for nothing."""


def state(studio: Studio, _ask: Ask) -> Answer:
    """Say which machine and which tool this is, what is ready on it, and what the queue holds."""
    environment = store.current(studio.toolchain)
    mochi = find_mochi(home_folder()).models
    return {
        "version": sdcoreml.__version__,
        "machine": _machine(),
        "toolchain": {
            "name": studio.toolchain,
            "is_ready": environment is not None,
        },
        "mochi": {"handle": studio.signer.sign(mochi)} if is_there(mochi) else None,
        "queue": studio.lineup.queue(),
    }


_machine = cache(machine)


def folders(studio: Studio, ask: Ask) -> Answer:
    """List a folder of this machine; without a handle, where to begin."""
    if handle := ask.query.get("handle"):
        return places.list_folder(studio.signer.resolve(handle), studio.signer)
    return places.list_roots(studio.signer)


def ticket(studio: Studio, _ask: Ask) -> Answer:
    """Return a ticket for one more page, which a second `sdcoreml studio` opens."""
    return {"ticket": studio.tickets.issue()}


def reveal(studio: Studio, ask: Ask) -> Answer:
    """Show a folder in the system's own program for files."""
    path = studio.signer.resolve(ask.text("handle"))
    if not path.exists():
        raise AbsentError("it is not there any more", where=places.shown(path))
    folder = path if path.is_dir() else path.parent
    words = ("open", "-R", str(path)) if sys.platform == "darwin" else ("xdg-open", str(folder))
    studio.launch(words)
    return {}


def report(studio: Studio, ask: Ask) -> Media:
    """Return the page of a finished folder. Its address is its key: a link has no token."""
    folder = studio.signer.resolve(ask.parts["key"], REPORT)
    try:
        content = read_bytes(folder / REPORT, Document.TEXT)
    except BadInputError:
        raise AbsentError("the folder has no page any more", where=folder.name) from None
    return Media(content=content, media_type="text/html; charset=utf-8", policy=REPORT_POLICY)


WAYS: tuple[Way, ...] = (
    Way(method="GET", path="/api/state", work=state),
    Way(method="GET", path="/api/folders", work=folders),
    Way(method="POST", path="/api/ticket", work=ticket),
    Way(method="POST", path="/api/reveal", work=reveal),
    Way(method="GET", path="/report/{key}", work=report),
    *routes_models.WAYS,
    *routes_queue.WAYS,
    *routes_pictures.WAYS,
    *routes_drop.WAYS,
)
