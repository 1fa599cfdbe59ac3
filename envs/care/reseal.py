"""Seals an environment of the former format in today's format, without building it again.

First, every byte is compared with the former seal. Then the files that today's build writes in
another form are rewritten, modes are set, the manifest is made again, and last the record. If the
process is killed before that, the former format remains, and the next attempt continues.

The former seal did not cover the environment's Python, which is listed in its present state.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdcoreml.envs.building.normalise import LOCK, set_modes
from sdcoreml.envs.kept import former, manifest, store
from sdcoreml.envs.kept.damage import Damage
from sdcoreml.envs.kept.manifest import SEALED, EntryKind
from sdcoreml.envs.kept.sealing import seal
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_full
from sdcoreml.envs.pythons import venv
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.errors import BrokenError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, read_leniently
from sdcoreml.ground.refusals import translate_store_errors

_ACTIVATE = "bin/activate"


def reseal(environment: Environment, emit: Emit = silent) -> Environment:
    """Seal an environment again and return its new record; one of today's format is unchanged.

    Raises:
        BrokenError: the environment differs from its former seal.
    """
    folder = environment.path
    with store.hold_lock(folder.parent, emit), translate_store_errors(folder):
        found = store.read(environment.name, folder)
        if found is not None and not found.is_former:
            return found
        emit(Event(kind="note", text=f"{folder.name} was sealed in the format of before"))
        emit(Event(kind="step", text="compare every byte with that seal"))
        faults = [one for one in verify_full(environment, emit).faults if not _by_us(folder, one)]
        if faults:
            raise BrokenError(
                f"{faults[0]}", where=folder, remedy="`sdcoreml env build --fresh` builds it anew"
            )
        emit(Event(kind="step", text="seal it anew"))
        if (folder / _ACTIVATE).exists():
            write_text(folder / _ACTIVATE, venv.ACTIVATE)
        (folder / LOCK).unlink(missing_ok=True)
        set_modes(folder)
        before = folder / SEALED / former.FILE
        entries = [e for e in manifest.take(folder) if e.path != f"{SEALED}/{former.FILE}"]
        renewed = replace(
            environment,
            schema=store.SCHEMA,
            files=sum(entry.kind is not EntryKind.FOLDER for entry in entries),
            size=sum(entry.size for entry in entries),
        )
        sealed = seal(renewed, entries, folder.parent)
        before.unlink()
        store.touch(sealed)
    return sealed


def _by_us(folder: Path, fault: Damage) -> bool:
    """Return True if an earlier, killed attempt of this function caused the fault."""
    if fault.path == _ACTIVATE:
        return read_leniently(folder / _ACTIVATE, Document.TEXT) == venv.ACTIVATE
    return fault.path == LOCK and not (folder / LOCK).exists()
