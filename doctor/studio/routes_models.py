"""The routes of models: what one is, what can be chosen, what would be made, and doing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sdcoreml.doctor.commands.library import folders_of_mochi
from sdcoreml.doctor.core.workplaces import RESULTS
from sdcoreml.doctor.queue.entry import Entry, Kind
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.studio import doctoring, pictures, places, planning, shelves
from sdcoreml.doctor.studio import examine as examining
from sdcoreml.doctor.studio.asking import Ask
from sdcoreml.doctor.studio.lineup import (
    is_repeatable,
    report_of,
)
from sdcoreml.doctor.studio.refusals import ConflictError, RequestError
from sdcoreml.doctor.studio.routes_queue import find_entry
from sdcoreml.doctor.studio.running import Studio
from sdcoreml.doctor.studio.way import Answer, Way
from sdcoreml.ground.errors import BadInputError
from sdcoreml.lockfiles.table import read_toml

_LONGEST = 500
"""The most letters of a model's name."""


def examine(studio: Studio, ask: Ask) -> Answer:
    """Say what a model is, whether it can be converted, and what can be chosen."""
    return examine_reference(studio, ask.json())


def examine_reference(studio: Studio, reference: Mapping[str, object]) -> Answer:
    """Say it of the model that a reference of the page names."""
    given, title = _given(studio, reference)
    found = examining.examine(studio.bench, given, title)
    if isinstance(made := found.get("plan"), dict):
        found["plan"] = _typable(studio, given, made)
    return {**found, **reference, **({"handle": _sign(studio, given)} if title else {})}


def _typable(studio: Studio, given: Path | str, made: dict[str, object]) -> dict[str, object]:
    """Return a plan without its command, if that names a dropped file, which is not kept."""
    return {**made, "command": ""} if _is_dropped(studio, given) else made


def _is_dropped(studio: Studio, given: Path | str) -> bool:
    return isinstance(given, Path) and given.is_relative_to(studio.drops.folder)


def _sign(studio: Studio, given: Path | str) -> str | None:
    return studio.signer.sign(given) if isinstance(given, Path) else None


def _given(studio: Studio, reference: object) -> tuple[Path | str, str]:
    """Return the path or the name of a model, and what a dropped file is called, else "".

    Raises:
        RequestError: the reference is none: it is not exactly one of handle, name and drop.
    """
    match reference:
        case {"drop": str(number), **rest} if not rest:
            dropped = studio.drops.find(number)
            return studio.drops.path(dropped), dropped.name
        case {"handle": handle, **rest} if not rest:
            return studio.signer.resolve(handle), ""
        case {"name": str(name), **rest} if not rest and 0 < len(name) <= _LONGEST:
            return name, ""
    raise RequestError("names no model", where="the request", remedy="load the page again")


def plan(studio: Studio, ask: Ask) -> Answer:
    """Say what would be made with these choices, and what can be chosen with them."""
    given, _ = _given(studio, ask.json().get("model"))
    choices = planning.read_choices(ask.json().get("choices", {}), studio.file_of)
    made = planning.plan(studio.bench.take(given), choices, studio.toolchain)
    return _typable(studio, given, made)


def add(studio: Studio, ask: Ask) -> Answer:
    """Put a conversion into the queue.

    Raises:
        ConflictError: a dropped file is not sent yet.
        SdcoremlError: the choices are refused.
    """
    given, title = _given(studio, ask.json().get("model"))
    if isinstance(given, Path):
        studio.drops.require_whole(given)
    choices = planning.read_choices(ask.json().get("choices", {}), studio.whole_file_of)
    order = planning.order(studio.bench.take(given), choices)
    table = dict(order.table)
    number = studio.store.add(
        New(
            kind=Kind.CONVERT,
            title=title or (places.shown(given) if isinstance(given, Path) else given),
            words=(f"--toolchain={studio.toolchain}",),
            job={"into": str(studio.into), "models": [{"model": order.model, **table}]},
            place=str(studio.into),
            about={
                "model": order.model,
                "table": table,
                "command": "" if _is_dropped(studio, given) else order.command,
                "makes": [Path(one).name for one in order.folders],
            },
        )
    )
    studio.lineup.begin()
    return {"id": number}


def install(studio: Studio, ask: Ask) -> Answer:
    """Put what an entry has made into the app's folders: its job again, which finds all made.

    Raises:
        ConflictError: it has made nothing yet.
    """
    entry = find_entry(studio, ask.text("id"))
    job = studio.store.path(entry.id, "toml")
    if not is_repeatable(studio.store, entry):
        raise ConflictError("this entry has made no folder", remedy="wait until it has")
    number = studio.store.add(
        New(
            kind=Kind.CONVERT,
            title=entry.title,
            words=(*(one for one in entry.words if one != "--install"), "--install"),
            job=None if entry.words[:1] == ("jobs",) else read_toml(job),
            place=entry.place,
            # With all that says how its folder was made: that is drawn with, too.
            about={**_made_from(entry), "of": entry.id},
        )
    )
    studio.lineup.begin()
    return {"id": number}


def _made_from(entry: Entry) -> dict[str, object]:
    return {name: entry.about[name] for name in ("model", "table") if name in entry.about}


def library(studio: Studio, _ask: Ask) -> Answer:
    """List what is in the app's folders, and in the one that results go to."""
    found = [shelves.as_data(shelf) for shelf in shelves.list_shelves(_shelves(studio))]
    models = [_shelved(studio, one) for shelf in found for one in _models(shelf)]
    return {
        "folders": [shelf["name"] for shelf in found],
        "models": models,
    }


def _shelves(studio: Studio) -> list[Path]:
    try:
        found = [*folders_of_mochi()]
    except BadInputError:
        found = []
    results = studio.into / RESULTS
    return [*found, *([results] if results.is_dir() and results not in found else [])]


def _models(shelf: Mapping[str, object]) -> Iterable[Mapping[str, object]]:
    models = shelf["models"]
    return models if isinstance(models, list) else ()


def _shelved(studio: Studio, model: Mapping[str, object]) -> Answer:
    path = Path(f"{model['path']}")
    told = {name: value for name, value in model.items() if name != "path"}
    can_draw = told.pop("can_draw") and not pictures.why_not({}, studio.toolchain)
    return {
        **told,
        "handle": studio.signer.sign(path),
        "report": report_of(studio.signer, path),
        "draw": pictures.suggest() if can_draw else None,
    }


def doctor(studio: Studio, ask: Ask) -> Answer:
    """Run the doctor's checks of this machine, or one of them."""
    select = ask.query.get("select", "")
    return doctoring.as_data(doctoring.examine_machine(select, studio.toolchain))


def fix(studio: Studio, ask: Ask) -> Answer:
    """Put what a check suggests into the queue."""
    mend = doctoring.find_mend(ask.text("key"), studio.toolchain)
    number = studio.store.add(
        New(kind=Kind.FIX, title=mend.title, words=mend.words, about={"check": mend.check})
    )
    studio.lineup.begin()
    return {"id": number}


WAYS: tuple[Way, ...] = (
    Way(method="POST", path="/api/examine", work=examine, hand="slow"),
    Way(method="POST", path="/api/plan", work=plan, hand="slow"),
    Way(method="POST", path="/api/queue", work=add, hand="slow", changes=True),
    Way(method="POST", path="/api/install", work=install, changes=True),
    Way(method="GET", path="/api/library", work=library, hand="slow"),
    Way(method="GET", path="/api/doctor", work=doctor, hand="slow"),
    Way(method="POST", path="/api/fix", work=fix, hand="slow", changes=True),
)
