"""Reads and writes files of facts: to exchange with others, or of the last good run."""

from __future__ import annotations

import json
from pathlib import Path

from sdcoreml.doctor.core.codec import load, save
from sdcoreml.doctor.core.facts import Facts
from sdcoreml.ground.aside import update_text
from sdcoreml.ground.codec import DecodeError
from sdcoreml.ground.documents import read_json
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document
from sdcoreml.ground.outputs import require_beginning

LAST_GOOD = "last-good.{}.json"
"""The name of the file, one per toolchain, that a run without errors writes."""

_HEAD = b'{\n "schema": '
"""The first bytes of every file of facts."""


def require_replaceable(path: Path) -> None:
    """Raise `BadInputError` if the path is an existing file other than facts."""
    require_beginning(path, _HEAD, "file of saved facts")


def write(facts: Facts, path: Path) -> None:
    """Write facts atomically, unless the file already contains them.

    Raises:
        BadInputError: the file holds something else, or cannot be written.
    """
    require_replaceable(path)
    try:
        update_text(path, json.dumps(save(facts), indent=1) + "\n")
    except OSError as error:
        raise BadInputError(str(error.strerror), where=path, remedy="choose another file") from None


def read(path: Path) -> Facts:
    """Read the facts in a file.

    Raises:
        BadInputError: the file is missing, is not JSON, or has another schema.
    """
    try:
        return load(read_json(path, Document.FACTS, remedy="make one: --save-facts"))
    except DecodeError as error:
        raise BadInputError(
            str(error), where=path, remedy="save it anew with this version"
        ) from None


def read_if_any(path: Path) -> Facts | None:
    """Read the facts of an earlier run; None if there are none, or they cannot be read."""
    try:
        return read(path)
    except BadInputError:
        return None
