"""Removes from a new environment what differs between two builds of the same lock.

Scripts that start with an absolute path to their interpreter (as pip writes them) are changed to
look for it in their own folder. Two files of uv are removed: its note of a local wheel's time, and
the lock file that newer versions leave. RECORD is updated. File modes are set, whatever the umask.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import shlex
from pathlib import Path

from sdcoreml.envs.kept.manifest import PLAIN, RUNNABLE, EntryKind, scan
from sdcoreml.envs.kept.owners import read_record
from sdcoreml.envs.pythons.venv import site_packages

_TRAMPOLINE = b"""\
#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"
' '''
"""
_LONGEST_LINE = 4096
_NOTES = ("uv_cache.json",)
LOCK = ".lock"
"""A lock file that some versions of uv leave in the environment's folder."""


def normalise(folder: Path) -> None:
    """Make the files of the environment in `folder` depend on its packages alone."""
    (folder / LOCK).unlink(missing_ok=True)
    changed: dict[Path, tuple[str, str] | None] = {}
    changed |= {path: _fingerprint(path) for path in relocate_scripts(folder)}
    for info in site_packages(folder).glob("*.dist-info"):
        for note in _NOTES:
            if (info / note).exists():
                (info / note).unlink()
                changed[info / note] = None
    for record in site_packages(folder).glob("*.dist-info/RECORD"):
        _amend(record, changed)


def set_modes(folder: Path) -> None:
    """Set the modes: programs and folders 0755, other files 0644."""
    folder.chmod(RUNNABLE)
    for path, kind, status in scan(folder):
        wanted = PLAIN if kind is EntryKind.FILE else RUNNABLE
        if kind is not EntryKind.LINK and status.st_mode & 0o7777 != wanted:
            (folder / path).chmod(wanted)


def relocate_scripts(folder: Path) -> tuple[Path, ...]:
    """Make scripts find their interpreter in their own folder; return the changed scripts."""
    scripts = [path for path in sorted((folder / "bin").iterdir()) if not path.is_symlink()]
    return tuple(path for path in scripts if path.is_file() and _relocate(path, folder))


def _relocate(script: Path, folder: Path) -> bool:
    """Rewrite a script's first line; return False if it does not contain the environment's path."""
    path = folder / "bin" / "python"
    # pip writes the path verbatim; uv quotes it for a shell, some versions only where it must be.
    # A version may follow in all.
    quoted = os.fsencode(shlex.quote(f"{path} ").removesuffix(" '"))
    with script.open("rb") as stream:
        head = stream.readline(_LONGEST_LINE)
        if head == b"#!/bin/sh\n":  # what pip writes for a path with a space, or a long one
            head = stream.readline(_LONGEST_LINE)
            stream.readline(_LONGEST_LINE)
        begins = (b"#!", b"'''exec' ", b"'''exec' \"")
        if not head.startswith((*(begin + bytes(path) for begin in begins), begins[1] + quoted)):
            return False
        body = stream.read()
    script.write_bytes(_TRAMPOLINE + body)
    return True


def _fingerprint(path: Path) -> tuple[str, str]:
    """Return a file's hash and size in the notation of RECORD."""
    data = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(len(data))


def _amend(record: Path, changed: dict[Path, tuple[str, str] | None]) -> None:
    """Rewrite the rows of changed files in a RECORD, and drop those of removed files."""
    base = record.parent.parent
    rows = read_record(record)
    amended: list[list[str]] = []
    for row in rows:
        path = Path(os.path.normpath(base / row[0]))
        now = changed.get(path, (row[1], row[2]))
        if now is not None:
            amended.append([row[0], *now])
    if amended != rows:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(amended)
        record.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))
