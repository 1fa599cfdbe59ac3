"""The queue as the page shows it: a view of its folder, with handles in place of paths."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.deliver.mochi import find_mochi, is_there
from sdcoreml.convert.jobs.manifest import MARKER, REPORT
from sdcoreml.doctor.queue.entry import Entry, Kind, State
from sdcoreml.doctor.queue.store import Store, command_of
from sdcoreml.doctor.studio import pictures
from sdcoreml.doctor.studio.figures import figures_of
from sdcoreml.doctor.studio.handles import Signer
from sdcoreml.doctor.studio.keeper import Keeper
from sdcoreml.doctor.studio.places import short, shown
from sdcoreml.doctor.studio.plain import as_sentence
from sdcoreml.doctor.studio.remedies import in_window
from sdcoreml.doctor.studio.wording import Text, say, together
from sdcoreml.ground.advice import spell, spell_words
from sdcoreml.ground.errors import BadInputError, Fault, one_sentence
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.places import home_folder

LONGEST = 4_000
"""The most letters of a line of a log, and of an explanation."""

_MOST_RESULTS = 500

OUTPUT, DRAWN = "output", "drawn"
"""The file that a drawing becomes, and what is drawn, among what its entry is about."""

PICTURES = "pictures"
"""The folder of drawings, in that of the studio."""

_DRAWING = re.compile(r"[0-9a-f]{32}\.png")


@dataclass(kw_only=True)
class Lineup:
    """The queue in `store`; `keeper` keeps its runner going, `toolchain` draws."""

    store: Store
    signer: Signer
    keeper: Keeper
    toolchain: str
    _is_over: bool = False
    _results: dict[object, Mapping[str, object]] = field(default_factory=dict)

    def stamp(self) -> str:
        """Return a text that differs when the queue has changed."""
        return f"{self.store.changed()} {self.keeper.fault() or ''}"

    def queue(self) -> Mapping[str, object]:
        """Return the whole queue."""
        queue = self.store.read()
        self._is_over = all(one.state.is_over for one in queue.entries)
        self.keeper.look(queue)
        own = self.keeper.fault()
        return {
            "is_paused": queue.is_paused,
            "is_running": queue.is_running,
            "entries": [self._entry(place, one) for place, one in enumerate(queue.entries)],
            "faults": [_fault(fault) for fault in (*queue.faults, *([own] if own else []))],
        }

    def progress(self) -> Iterator[Mapping[str, object]]:
        """Yield how far each entry is that is being done; where all is over, nothing is read."""
        if self._is_over:
            return
        queue = self.store.read()
        self.keeper.look(queue)
        for one in queue.entries:
            if one.state is State.RUNNING:
                yield {"id": one.id, **self._progress(one)}

    def begin(self) -> None:
        """Start the runner, if there is something to do; what goes wrong is one of the faults."""
        self.keeper.begin()

    def _entry(self, place: int, entry: Entry) -> Mapping[str, object]:
        state = State.RUNNING if entry.is_ending else entry.state
        return {
            "id": entry.id,
            "kind": entry.kind.value,
            "title": entry.title,
            "state": state.value,
            **(self._progress(entry) if entry.state is State.RUNNING else _NOTHING),
            "because": spell(entry.because),
            "remedy": in_window(entry.remedy, spell),
            "explanation": spell(entry.explanation)[:LONGEST],
            "code": entry.code or None,
            "folders": [self._folder(Path(one)) for one in entry.folders],
            "place": place,
            "command": self._command(entry),
            "added": entry.added.isoformat() if entry.added else None,
            "of": entry.about.get("of") or None,
            "check": entry.about.get("check"),
            "makes": _makes(entry),
            **(self._result(entry) if entry.state is State.DONE else {}),
        }

    def _result(self, entry: Entry) -> Mapping[str, object]:
        """Return what came of an entry, read once: what is over changes no more."""
        key = (entry.id, entry.ended)
        if key not in self._results:
            if len(self._results) >= _MOST_RESULTS:
                self._results.clear()
            self._results[key] = dict(self._read_result(entry))
        return self._results[key]

    def _read_result(self, entry: Entry) -> Mapping[str, object]:
        output = entry.about.get(OUTPUT)
        if entry.kind is Kind.DRAW and isinstance(output, str):
            said = "\n".join(self.store.follow(entry.id).lines).encode()
            with suppress(BadInputError):
                drawn = entry.about.get(DRAWN)
                return {**pictures.read_result(said, Path(output)), DRAWN: drawn}
        if entry.kind is not Kind.CONVERT:
            return {}
        is_refused = pictures.why_not(pictures.table_of(entry.about), self.toolchain)
        original = pictures.original_of(entry.about)
        is_mochi_here = is_there(find_mochi(home_folder()).models)
        return {
            **({} if is_refused else pictures.suggest(original)),
            "can_install": is_mochi_here
            and "--install" not in entry.words
            and is_repeatable(self.store, entry),
            "figures": [*self._figures(entry)],
        }

    def _figures(self, entry: Entry) -> Iterator[Sequence[Text]]:
        for folder in entry.folders[:1]:
            yield from figures_of(Path(folder))
        if entry.begun and entry.ended and entry.begun <= entry.ended:  # a clock may go back
            seconds = (entry.ended - entry.begun).total_seconds()
            yield [say("figure.took"), say("figure.seconds", seconds=seconds)]

    def _command(self, entry: Entry) -> str:
        said = entry.about.get("command")
        if isinstance(said, str):
            return said
        return shlex.join(spell_words(("sdcoreml", *command_of(entry, self.store.folder))))

    def _progress(self, entry: Entry) -> Mapping[str, object]:
        event = self.store.progress(entry.id) or {}
        step = event.get("step")
        return {
            "step": step.get("text", "") if isinstance(step, Mapping) else "",
            "done": event.get("done", 0),
            "total": event.get("total", 0),
            "left": event.get("left"),
        }

    def _folder(self, folder: Path) -> Mapping[str, object]:
        return {
            "handle": self.signer.sign(folder),
            "name": shown(folder),
            "place": short(folder.parent),
            "report": report_of(self.signer, folder),
        }


def report_of(signer: Signer, folder: Path) -> str | None:
    """Return the address of a finished folder's own page, which its key opens without a token."""
    has_report = (folder / MARKER).is_file() and (folder / REPORT).is_file()
    return f"/report/{signer.sign(folder, REPORT)}" if has_report else None


def _fault(fault: Fault) -> Text:
    what = as_sentence(one_sentence(fault.where, fault.what, ""))
    return together(f"{what}.", in_window(fault.remedy)) if fault.remedy else what


_NOTHING: Mapping[str, object] = {"step": "", "done": 0, "total": 0, "left": None}


def _makes(entry: Entry) -> Sequence[str]:
    """Return the names of the folders that an entry will make, by which two of one model differ."""
    makes = entry.about.get("makes")
    return [one for one in makes if isinstance(one, str)] if isinstance(makes, list) else []


def is_repeatable(store: Store, entry: Entry) -> bool:
    """Whether an entry has made folders that its job, done again, would find made."""
    is_made = entry.kind is Kind.CONVERT and entry.state is State.DONE
    # A job file of the person's own is named among the words, and not copied into the queue.
    return is_made and (entry.words[:1] == ("jobs",) or store.path(entry.id, "toml").is_file())


def is_named(store: Store, words: str) -> bool:
    """Whether an entry of the queue has these words in a path, such as the id of a dropped file."""
    for entry in store.read().entries:
        said = [*entry.words, *entry.folders, f"{entry.about}"]
        with suppress(BadInputError):
            said.append(read_text(store.path(entry.id, "toml"), Document.RECORD))
        if any(words in one for one in said):
            return True
    return False


def sweep_pictures(store: Store, folder: Path) -> None:
    """Remove the drawings in `folder` that no entry has; all stay while an entry is damaged."""
    entries = store.read().entries
    if any(entry.is_damaged for entry in entries):
        return  # what it has is not known
    kept = {Path(f"{entry.about.get(OUTPUT)}").name for entry in entries}
    with suppress(OSError):
        for path in folder.iterdir():
            if _DRAWING.fullmatch(path.name) and path.name not in kept:
                path.unlink(missing_ok=True)
