"""Reads a project's settings: checks to ignore, each with a reason.

In `pyproject.toml`:

    [tool.sdcoreml.ignore]
    PY002 = "3.10.13 is what our runners have; compared on 3 May"

or in a file `sdcoreml.toml`, the same without `tool.sdcoreml`.

The file lies in the current folder, which may come from anybody. So it can only quieten checks, and
the report shows these with their reasons; it cannot set a checkout, interpreter, server or command.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdcoreml.doctor.core.engine import Ignore
from sdcoreml.ground.files import Document, read_bytes

OWN = "sdcoreml.toml"
SHARED = "pyproject.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A project's settings: the checks to ignore."""

    ignore: tuple[Ignore, ...] = ()


def settings(folder: Path) -> Settings:
    """Read the settings in `folder`; its own file replaces `pyproject.toml` entirely.

    Raises:
        LockfileError: the file is not TOML, a reason is not text, or it names a checkout.
    """
    if (folder / OWN).is_file():
        return _read(folder / OWN, ())
    shared = folder / SHARED
    # Most projects have no such settings; then we avoid importing a TOML reader.
    if shared.is_file() and b"[tool.sdcoreml" in read_bytes(shared, Document.SETTINGS):
        return _read(shared, ("tool", "sdcoreml"))
    return Settings()


def _read(path: Path, place: tuple[str, ...]) -> Settings:
    from sdcoreml.lockfiles.table import read_table

    table = read_table(path)
    for name in place:
        table = table.table(name)
    if "checkout" in table.values:
        table.faults.append(
            "a file of the current folder cannot name a checkout: give it as doctor's argument, or"
            " in SDCOREML_UPSTREAM"
        )
    reasons = table.table("ignore")
    found = reasons.mapping()
    blank = [name for name, reason in found.items() if not reason.strip()]
    table.faults.extend(f"{reasons.place}{name} has no reason" for name in blank)
    table.finish()
    return Settings(
        ignore=tuple(Ignore(what=name, reason=reason) for name, reason in found.items())
    )
