"""Facts on disk: saved for somebody else, replayed from somebody else, or the last good run's."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sdcoreml.doctor.core.codec import DecodeError, load, save
from sdcoreml.doctor.core.facts import Facts
from sdcoreml.ground.errors import BadInputError

LAST_GOOD = "last-good.{}.json"
"""The name of the file that a run without errors leaves, for each toolchain its own."""


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
        raise BadInputError(f"{path}: {error.strerror}; choose another file") from None


def read(path: Path) -> Facts:
    """The facts in a file.

    Raises:
        BadInputError: it is not there, no JSON, or not facts of this schema.
    """
    try:
        return load(json.loads(path.read_bytes()))
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}; save one with --save-facts") from None
    except DecodeError as error:
        raise BadInputError(f"{path}: {error}; save it again with this version") from None
    except (ValueError, RecursionError):
        raise BadInputError(f"{path}: not JSON; save one with --save-facts") from None


def before(path: Path) -> Facts | None:
    """The facts of an earlier run; None when there are none that can be read."""
    try:
        return read(path)
    except BadInputError:
        return None
