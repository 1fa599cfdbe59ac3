"""Reads TOML with type checks, collecting every fault with its key."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from sdcoreml.ground.codec import shown
from sdcoreml.ground.documents import DEEPEST, is_deep
from sdcoreml.ground.errors import BadInputError, LockfileError
from sdcoreml.ground.files import Document, read_text

# Python 3.10 has no TOML reader. There, tomli is a dependency; before anything is installed, the
# doctor uses the copy of tomli inside pip, which `ensurepip` carries.
# Its compiled wheels read in a third of the time that tomllib takes, so that it comes first.
_READERS = ("tomli", "tomllib", "pip._vendor.tomli")
_BUNDLED = "_bundled/pip-*.whl"
"""The wheel of pip that `ensurepip`, in the standard library, would install."""

_LOOKING = threading.Lock()

Value = TypeVar("Value", str, int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlTable:
    """A TOML table that is being read; `path` is its file, `place` its key in the file.

    For a faulty key, a getter records the fault and returns an empty value; `finish` then raises
    all faults as one error.
    """

    path: Path
    place: str = ""
    values: Mapping[str, object]
    faults: list[str] = field(default_factory=list)

    def get(self, key: str, kind: type[Value], default: Value | None = None) -> Value:
        """Return the value of `key`, else `default`, as `kind`; an int is converted to a float."""
        value = self.values.get(key, default)
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is kind:
            return value
        self._fault(key, kind.__name__, value)
        return kind()

    def strings(self, key: str) -> tuple[str, ...]:
        """Return the array of strings at `key`; empty if there is none."""
        value = self.values.get(key, ())
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self._fault(key, "list of str", value)
        return ()

    def table(self, key: str) -> TomlTable:
        """Return the table at `key`; if absent, an empty one, whose getters record the faults."""
        value = self.values.get(key, {})
        if not isinstance(value, Mapping):
            self._fault(key, "table", value)
            value = {}
        place = f"{self.place}{key}."
        return TomlTable(path=self.path, place=place, values=value, faults=self.faults)

    def tables(self, key: str) -> tuple[TomlTable, ...]:
        """Return the list of tables at `key`; empty if there is none."""
        rows = self.values.get(key, ())
        if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
            self._fault(key, "list of tables", rows)
            return ()
        return tuple(
            TomlTable(
                path=self.path, place=f"{self.place}{key}[{n}].", values=row, faults=self.faults
            )
            for n, row in enumerate(rows)
        )

    def mapping(self) -> dict[str, str]:
        """Return the whole table as a mapping of strings to strings."""
        return {key: self.get(key, str) for key in self.values}

    def numbers(self) -> dict[str, float]:
        """Return the whole table as a mapping of strings to numbers."""
        return {key: self.get(key, float) for key in self.values}

    def finish(self) -> None:
        """Raise a `LockfileError` that lists all recorded faults, if there are any."""
        if self.faults:
            raise LockfileError(f"{'; '.join(self.faults)}", where=self.path, remedy="correct it")

    def _fault(self, key: str, wanted: str, value: object) -> None:
        what = "is missing" if value is None else f"is {shown(value)}, not a {wanted}"
        self.faults.append(f"{self.place}{key} {what}")


def read_table(path: Path) -> TomlTable:
    """Open a TOML file; raise `LockfileError` if it cannot be read or is not valid TOML."""
    try:
        return TomlTable(path=path, values=read_toml(path, remedy="restore it with git"))
    except BadInputError as error:
        raise LockfileError(error.what, where=path, remedy=error.remedy) from None


def read_toml(path: Path, *, remedy: str = "") -> Mapping[str, object]:
    """Read a TOML file to dicts, lists, texts, numbers, booleans and times.

    Raises:
        BadInputError: it cannot be read (the error has `remedy`), or is not valid TOML.
        LockfileError: this Python has no TOML reader.
    """
    return read_digested(path, remedy=remedy)[0]


def read_digested(path: Path, *, remedy: str = "") -> tuple[Mapping[str, object], str]:
    """Read a TOML file as `read_toml` does; return the SHA-256 of the text that was read, too."""
    text = read_text(path, Document.SETTINGS, remedy=remedy)
    try:
        values: Mapping[str, object] = _reader().loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"not valid TOML: {error}", where=path, remedy="correct it") from None
    if is_deep(values):
        what = f"tables nested more than {DEEPEST} deep"
        raise BadInputError(what, where=path, remedy="correct it")
    return values, hashlib.sha256(text.encode()).hexdigest()


def _reader() -> ModuleType:
    """Import a TOML reader: tomli, tomllib, or the tomli inside pip."""
    with _LOOKING:  # another thread must not find a reader that is only half there
        found = next((name for name in _READERS if _is_here(name)), None)
        if found:
            return importlib.import_module(found)
        spec = importlib.util.find_spec("ensurepip")
        reader = _load_bundled(Path(spec.origin).parent) if spec and spec.origin else None
    if reader is None:
        raise LockfileError("no TOML reader in this Python", remedy="use 3.11, or install tomli")
    return reader


def quote(text: str) -> str:
    """Quote a text as a TOML basic string: a JSON string, but with DEL escaped as TOML requires.

    Other characters are not escaped: JSON would write some as surrogate pairs, which TOML forbids.
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _load_bundled(folder: Path) -> ModuleType | None:
    """Import the tomli inside the wheel of pip in `folder`; `None` if there is no such wheel."""
    for wheel in sorted(folder.glob(_BUNDLED)):
        spec = PathFinder.find_spec("tomli", [f"{wheel}/pip/_vendor"])
        if spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            sys.modules["tomli"] = module  # below it tomli looks for its own modules
            spec.loader.exec_module(module)
            return module
    return None


def _is_here(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that would hold it
        return False
