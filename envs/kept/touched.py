"""Asks the file system whether anything of an environment was touched since it was sealed."""

from __future__ import annotations

import os

from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.beneath import ELSEWHERE, roots_of
from sdcoreml.envs.kept.manifest import BENEATH, RECORD, SEALED, EntryKind
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.processes.process import run
from sdcoreml.ground.errors import BrokenError


def is_untouched(environment: Environment) -> bool:
    """Whether no path of an environment, or of its Python, changed its status since it was sealed.

    False, too, when `find` cannot be asked: then the files have to be compared.
    """
    try:
        command = find_touched(environment)
        done = run(command) if command else None
    except OSError:
        return False
    return done is not None and done.code == 0 and not done.out


def find_touched(environment: Environment) -> tuple[str, ...]:
    """The command that prints a path that was touched; empty if one certainly was.

    `find` compares status change times (ctime), which no program can set back, at a quarter of what
    Python needs for 30,000 files.
    """
    if not environment.intact:
        return ()
    folder = environment.path
    try:
        below = () if environment.is_former else manifest.read(folder, BENEATH)
    except BrokenError:
        return ()
    if any(e.kind is EntryKind.ABSENT and os.path.lexists(e.path) for e in below):
        return ()
    roots = roots_of(e.path for e in below if e.kind is EntryKind.FOLDER)
    files = (
        e.path for e in below if e.size and not e.path.startswith(tuple(f"{r}/" for r in roots))
    )
    foreign = [f"{root}/{name}" for root in roots for name in sorted(ELSEWHERE)]
    passed_over = [word for path in foreign for word in ("-path", path, "-prune", "-o")]
    # Renaming the record into its folder changes the status of both, a clock tick later at times.
    sealed, record = folder / SEALED, folder / SEALED / RECORD
    ours = [word for path in (folder, sealed, record) for word in ("!", "-path", str(path))]
    newer = ("-cnewer", str(record), "-print", "-quit")
    return ("find", str(folder), *roots, *files, *passed_over, *ours, *newer)
