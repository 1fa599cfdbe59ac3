"""The library: what is in apps' folders of models, with the verdicts of `sdcoreml library`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from sdcoreml.doctor.commands.library import JudgedShelf, folders_of_mochi, judge
from sdcoreml.doctor.core.check import Finding, Fix
from sdcoreml.doctor.core.library import OURS, Judged, Kind
from sdcoreml.doctor.gather import Request, gather
from sdcoreml.doctor.gather.library import Shelf, read_entry, read_shelf
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.doctor.studio.places import short
from sdcoreml.doctor.studio.plain import as_sentence, is_plain, plain
from sdcoreml.doctor.studio.wording import Text, say, together
from sdcoreml.ground.advice import spell_words
from sdcoreml.ground.errors import BadInputError

MOST_MODELS = 500
"""The most models of one folder that are listed."""

_VERDICTS = {"yes": "good", "limited": "open", "no": "bad"}


def list_shelves(folders: Sequence[Path] = ()) -> tuple[JudgedShelf, ...]:
    """Judge what is in these folders; without any, in Mochi Diffusion's, if it is here.

    Raises:
        BadInputError: a folder cannot be listed.
    """
    places = tuple(folders)
    if not places:
        try:
            places = folders_of_mochi()
        except BadInputError:
            return ()
    return _judge([read_shelf(path) for path in places])


def _judge(shelves: Sequence[Shelf]) -> tuple[JudgedShelf, ...]:
    return judge(shelves, gather(Request(groups=("system",)), Probe()).facts)


def as_data(shelf: JudgedShelf) -> dict[str, object]:
    """Convert a shelf to plain values for JSON; `path` of each model is for the server alone."""
    name = plain(short(shelf.path))
    return {
        "name": name,
        "path": str(shelf.path),
        "models": [{**_entry(one), "folder": name} for one in shelf.entries[:MOST_MODELS]],
        "sharing_saves": sum(one.saves for one in shelf.twins),
    }


def _entry(judged: Judged) -> dict[str, object]:
    entry = judged.entry
    width, height = entry.size
    return {
        "name": plain(entry.name, 120),
        "path": entry.path,
        "verdict": verdict_of(judged),
        "text": together(*_text(judged)),
        "kind": entry.kind.value,
        "family": entry.family.value,
        "picture": f"{width} x {height}" if width else "",
        "size": entry.nbytes,
        "can_draw": can_draw(judged),
        "apps": [
            {"name": one.target, "runs": one.runs, "reason": plain(one.reason)}
            for one in judged.apps
        ],
        "findings": [_finding(check, finding) for check, finding in judged.findings],
    }


def _finding(check: str, finding: Finding) -> dict[str, object]:
    """Return what to look at, why, and what to do: in words, and as the command that does it."""
    fix = finding.fix or Fix("")
    typed = " && ".join(shlex.join(spell_words(command)) for command in fix.commands)
    return {
        "id": check,
        "status": finding.status.value,
        "what": as_sentence(finding.what),
        "why": as_sentence(finding.why),
        "remedy": as_sentence(fix.title),
        "command": typed if is_plain(typed) else "",
    }


def can_draw(judged: Judged) -> bool:
    """Whether `sdcoreml draw` may be asked for a picture: what others have made, it does not know.

    Whether all that it needs is there, it says itself.
    """
    entry = judged.entry
    return entry.kind is Kind.MODEL and entry.maker == OURS and verdict_of(judged) != "bad"


def verdict_of(judged: Judged) -> str:
    """Return "good" if all apps run it, "bad" if none does or it cannot be read, else "open"."""
    if judged.entry.kind is Kind.UNREADABLE:
        return "bad"
    runs = {one.runs for one in judged.apps}
    return _VERDICTS[next(iter(runs))] if len(runs) == 1 else "open"


def _text(judged: Judged) -> Iterator[Text]:
    """Yield sentences about an entry: what runs it, or why it is none that apps list."""
    entry = judged.entry
    if not judged.apps:
        yield f"{as_sentence(entry.reason or entry.kind.value)}."
        yield f"{as_sentence(entry.remedy)}." if entry.remedy else say("shelf.passed")
        return
    yield say(f"shelf.runs.{verdict_of(judged)}")
    found = {finding.what for _, finding in judged.findings}  # these are said by themselves
    for reason in dict.fromkeys(one.reason for one in judged.apps if one.reason):
        if reason not in found:
            yield f"{as_sentence(reason)}."
    if judged.macos:
        yield say("shelf.from", system=f"macOS {judged.macos}")
    if judged.fits:
        yield say("shelf.fits", names=[plain(one) for one in judged.fits[:3]])


def judge_folder(path: Path) -> dict[str, object]:
    """Return what a finished folder or program is, as a model of the page."""
    entries = tuple(filter(None, [read_entry(path)]))
    (shelf,) = _judge([Shelf(path=path.parent, entries=entries, weights=())])
    (judged,) = shelf.entries
    data = _entry(judged)
    return {
        "family": data["family"],
        "form": "Core ML",
        "size": data["size"],
        "verdict": {
            "can": "no",
            "sentence": together(say("verdict.finished"), *_text(judged)),
            "apps": data["apps"],
        },
        "facts": [[say("figure.disk"), say("figure.bytes", bytes=data["size"])]],
        "findings": data["findings"],
        "offer": None,
        "plan": None,
    }
