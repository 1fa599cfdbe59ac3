"""Facts on disk: saved for somebody else, replayed from somebody else, or the last good run's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import ClassVar

from doctor.codec import DecodeError, load, save
from doctor.facts import Facts

LAST_GOOD = "last-good.{}.json"
"""The name of the file that a run without errors leaves, for each toolchain its own."""


class FactsFileError(Exception):
    """A file of facts cannot be read or written."""

    exit_code: ClassVar[int] = 3


def write(facts: Facts, path: Path) -> None:
    """Write facts aside, flushed, then rename; nothing happens when the file says the same."""
    text = json.dumps(save(facts), indent=1) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text:
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise FactsFileError(f"{path}: {error.strerror}; choose another file") from None


def read(path: Path) -> Facts:
    """The facts in a file.

    Raises:
        FactsFileError: it is not there, no JSON, or not facts of this schema.
    """
    try:
        return load(json.loads(path.read_bytes()))
    except OSError as error:
        raise FactsFileError(f"{path}: {error.strerror}; save one with --save-facts") from None
    except DecodeError as error:
        raise FactsFileError(f"{path}: {error}; save it again with this version") from None
    except (ValueError, RecursionError):
        raise FactsFileError(f"{path}: not JSON; save one with --save-facts") from None


def before(path: Path) -> Facts | None:
    """The facts of an earlier run; None when there are none that can be read."""
    try:
        return read(path)
    except FactsFileError:
        return None
