"""Typed reading of TOML: every fault is collected, each with the place where it is."""

from __future__ import annotations

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

from sdcoreml.ground.errors import LockfileError

# Python 3.10 has none of its own: tomli is a dependency there, and every pip carries one, so that
# the doctor can read the pins before anything is installed.
_READERS = ("tomllib", "tomli", "pip._vendor.tomli")
_BUNDLED = "_bundled/pip-*.whl"
"""Where `ensurepip`, of the standard library, keeps the pip that it would install."""

_LOOKING = threading.Lock()

Value = TypeVar("Value", str, int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlTable:
    """A TOML table that is being read; `path` and `place` say where it came from.

    The getters note a fault and answer a blank value; `finish` raises all faults at once.
    """

    path: Path
    place: str = ""
    values: Mapping[str, object]
    faults: list[str] = field(default_factory=list)

    def get(self, key: str, kind: type[Value], default: Value | None = None) -> Value:
        """The value of `key`, which must be of `kind`; an int serves as a float."""
        value = self.values.get(key, default)
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is kind:
            return value
        self._fault(key, kind.__name__, value)
        return kind()

    def strings(self, key: str) -> tuple[str, ...]:
        """The list of strings at `key`; empty when there is none."""
        value = self.values.get(key, ())
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self._fault(key, "list of str", value)
        return ()

    def table(self, key: str) -> TomlTable:
        """The table at `key`; empty when there is none, so that its own getters note what lacks."""
        value = self.values.get(key, {})
        if not isinstance(value, Mapping):
            self._fault(key, "table", value)
            value = {}
        place = f"{self.place}{key}."
        return TomlTable(path=self.path, place=place, values=value, faults=self.faults)

    def tables(self, key: str) -> tuple[TomlTable, ...]:
        """The array of tables at `key`; empty when there is none."""
        rows = self.values.get(key, ())
        if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
            self._fault(key, "array of tables", rows)
            return ()
        return tuple(
            TomlTable(
                path=self.path, place=f"{self.place}{key}[{n}].", values=row, faults=self.faults
            )
            for n, row in enumerate(rows)
        )

    def mapping(self) -> dict[str, str]:
        """The whole table as a mapping of strings to strings."""
        return {key: self.get(key, str) for key in self.values}

    def numbers(self) -> dict[str, float]:
        """The whole table as a mapping of strings to numbers."""
        return {key: self.get(key, float) for key in self.values}

    def finish(self) -> None:
        """Raise `LockfileError` with everything that was wrong, if anything was."""
        if self.faults:
            raise LockfileError(f"{'; '.join(self.faults)}", where=self.path, remedy="correct it")

    def _fault(self, key: str, wanted: str, value: object) -> None:
        what = "is missing" if value is None else f"is {value!r}, not a {wanted}"
        self.faults.append(f"{self.place}{key} {what}")


def read_table(path: Path) -> TomlTable:
    """Open a TOML file. Raises `LockfileError` when it cannot be read or is not TOML."""
    try:
        return TomlTable(path=path, values=_reader().loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise LockfileError(f"{error.strerror}", where=path, remedy="restore it with git") from None
    except ValueError as error:
        raise LockfileError(f"not valid TOML: {error}", where=path, remedy="correct it") from None


def _reader() -> ModuleType:
    """The first TOML reader that this Python has."""
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
    """A text as a TOML basic string: a JSON string but for DEL, which TOML wants escaped.

    Characters stay as they are: JSON escapes those beyond the basic plane as two halves, and TOML
    refuses halves.
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _load_bundled(folder: Path) -> ModuleType | None:
    """The tomli inside the wheel of pip in `folder`; `None` if there is no wheel."""
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
