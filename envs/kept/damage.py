"""Finds faults of an environment's own files: its record, its manifests, its seal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from sdcoreml.envs.kept import conda_meta, former, manifest
from sdcoreml.envs.kept.manifest import FILE, OWN, RECORD, SEALED, EntryKind, Row
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.pythons import venv
from sdcoreml.ground.errors import BadInputError

STRAY = "(nobody)"
"""The owner, in reports, of files that the manifest does not list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One path that differs from the seal, and its owner."""

    path: str
    what: str
    owner: str

    def __str__(self) -> str:
        """Return a line such as `lib/python3.10/site-packages/torch/x.py: altered (torch)`."""
        return f"{self.path}: {self.what} ({self.owner.strip('()')})"


def find_record_faults(
    environment: Environment, own: Mapping[str, os.stat_result], *, writable: bool
) -> Iterable[Damage]:
    """Yield the faults of the environment's folder, its record and its manifests.

    `own` maps their paths to their status. `writable` is true if everybody could write to all files
    when they were sealed, as on file systems without modes; then these permissions are ignored.
    """
    folder = environment.path.stat()
    forbidden = 0o7000 if writable else 0o7022
    for path in OWN:
        if what := _find_fault(own.get(path), folder.st_uid, forbidden):
            yield _own(path, what)
    mode = manifest.mode_of(EntryKind.FOLDER, folder)
    if mode & forbidden:
        yield _own(".", f"has the mode {mode:03o}, had {manifest.RUNNABLE:03o}")
    if not environment.intact:
        yield _own(f"{SEALED}/{RECORD}", "is not as it was written")
    try:
        listing = manifest.digest(environment.path)
    except BadInputError:
        return  # reported above
    if listing != environment.listing:
        yield _own(f"{SEALED}/{FILE}", "is not as it was written")


def _find_fault(status: os.stat_result | None, user: int, forbidden: int) -> str:
    if status is None:
        return "missing"
    kind = manifest.kind_of(status)
    if kind is not EntryKind.FILE:
        return f"is a {kind.value}, was a file"
    if status.st_uid != user:
        return f"belongs to user {status.st_uid}, the environment to {user}"
    mode = manifest.mode_of(kind, status)
    if mode & forbidden or not mode & 0o400:
        return f"has the mode {mode:03o}, had {manifest.PLAIN:03o}"
    return ""


def find_machine_faults(environment: Environment) -> Iterable[Damage]:
    """Yield files whose path of the interpreter differs from that in the record.

    The seal excludes these files, so an attacker could alter them and adapt the manifest; but their
    content follows from the interpreter.
    """
    if environment.conda:
        return
    for path, (is_link, said) in venv.files_of_machine(environment.interpreter).items():
        kind = EntryKind.LINK if is_link else EntryKind.FILE
        with suppress(BadInputError, OSError):
            wanted = said if is_link else hashlib.sha256(os.fsencode(said)).hexdigest()
            if manifest.digest_of(environment.path / path, kind) == wanted:
                continue
        what = f"does not lead to {environment.interpreter.path}"
        yield Damage(path=path, what=what, owner=manifest.MACHINE)


def find_seal_faults(environment: Environment, rows: Iterable[Row]) -> Iterable[Damage]:
    """Yield a fault if the seal does not match, and one if a conda environment was moved."""
    if environment.is_moved:
        was = environment.interpreter.path.parent.parent
        what = f"was made for {was}, and a conda environment cannot be moved"
        yield Damage(path=conda_meta.FOLDER, what=what, owner=manifest.GENERATED)
    compute: Callable[..., str] = former.seal_of if environment.is_former else manifest.seal_of_rows
    if compute(rows, environment.facts()) != environment.seal:
        name = former.FILE if environment.is_former else FILE
        yield _own(f"{SEALED}/{name}", "does not match the seal")


def _own(path: str, what: str) -> Damage:
    return Damage(path=path, what=what, owner=manifest.GENERATED)
