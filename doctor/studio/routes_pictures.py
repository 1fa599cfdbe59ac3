"""The routes of pictures: drawing one with a finished folder, and showing it."""

from __future__ import annotations

import secrets
from pathlib import Path

from sdcoreml.doctor.queue.entry import Entry, Kind
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.studio import pictures
from sdcoreml.doctor.studio.asking import Ask
from sdcoreml.doctor.studio.lineup import DRAWN, OUTPUT, PICTURES, sweep_pictures
from sdcoreml.doctor.studio.refusals import AbsentError, ConflictError
from sdcoreml.doctor.studio.routes_queue import find_entry
from sdcoreml.doctor.studio.running import Studio
from sdcoreml.doctor.studio.way import Answer, Media, Way
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_bytes


def draw(studio: Studio, ask: Ask) -> Answer:
    """Put a picture of a finished folder into the queue, beside that of its model if it is here.

    Raises:
        ConflictError: the folder is not one to draw with.
    """
    folder, entry = _folder_to_draw(studio, ask)
    about = entry.about if entry else {}
    table = pictures.table_of(about)
    if reason := pictures.why_not(table, studio.toolchain):
        raise ConflictError(reason, where=folder.name)
    sweep_pictures(studio.store, studio.folder / PICTURES)
    output = studio.folder / PICTURES / f"{secrets.token_hex(16)}.png"
    output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    picture = pictures.plan_picture(
        pictures.Wish(
            folder=folder,
            output=output,
            prompt=ask.text("prompt", ""),
            steps=ask.json().get("steps", pictures.STEPS),
            seed=ask.json().get("seed", 0),
            against=pictures.original_of(about),
            refiner=f"{table.get('refiner', '')}",
            toolchain=studio.toolchain,
        )
    )
    number = studio.store.add(
        New(
            kind=Kind.DRAW,
            title=picture.title,
            words=picture.words,
            place=str(studio.into),
            about={"of": entry.id if entry else "", OUTPUT: str(output), DRAWN: picture.drawn},
        )
    )
    studio.lineup.begin()
    return {"id": number}


def _folder_to_draw(studio: Studio, ask: Ask) -> tuple[Path, Entry | None]:
    if handle := ask.json().get("handle"):
        return studio.signer.resolve(handle), None
    entry = find_entry(studio, ask.text("id"))
    if not entry.folders:
        raise ConflictError("this entry has made no folder", remedy="wait until it has")
    return Path(entry.folders[0]), entry


def picture(studio: Studio, ask: Ask) -> Media:
    """Return a picture that was drawn.

    Raises:
        AbsentError: there is none.
    """
    entry = find_entry(studio, ask.parts["id"])
    output = entry.about.get(OUTPUT)
    if ask.parts["file"] != "0.png" or not isinstance(output, str):
        raise AbsentError("there is no such picture")
    path = studio.folder / PICTURES / Path(output).name
    try:
        return Media(content=read_bytes(path, Document.VOCABULARY), media_type="image/png")
    except BadInputError:
        raise AbsentError("the picture is not there", remedy="draw it again") from None


WAYS: tuple[Way, ...] = (
    Way(method="POST", path="/api/pictures", work=draw, changes=True),
    Way(method="GET", path="/api/pictures/{id}/{file}", work=picture),
)
