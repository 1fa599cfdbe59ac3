"""What a project has judged already: checks to demote, each with the reason.

In `pyproject.toml`:

    [tool.sdcoreml.ignore]
    PY002 = "3.10.13 is what our runners have; compared on 3 May"

or in a file `sdcoreml.toml` with a table `[ignore]`.
"""

from __future__ import annotations

from pathlib import Path

from doctor.engine import Ignore

OWN = "sdcoreml.toml"
SHARED = "pyproject.toml"


def ignores(folder: Path) -> tuple[Ignore, ...]:
    """The entries of either file in `folder`; its own file wins.

    Raises:
        LockfileError: the file is no TOML, or a reason is no text.
    """
    if (folder / OWN).is_file():
        return _read(folder / OWN, ())
    shared = folder / SHARED
    # Most projects say nothing: then TOML need not be imported for it.
    if shared.is_file() and b"[tool.sdcoreml" in shared.read_bytes():
        return _read(shared, ("tool", "sdcoreml"))
    return ()


def _read(path: Path, place: tuple[str, ...]) -> tuple[Ignore, ...]:
    from lockfiles.table import read_table

    table = read_table(path)
    for name in (*place, "ignore"):
        table = table.table(name)
    found = table.mapping()
    blank = [name for name, reason in found.items() if not reason.strip()]
    table.faults.extend(f"{table.place}{name} has no reason" for name in blank)
    table.finish()
    return tuple(Ignore(what=name, reason=reason) for name, reason in found.items())
