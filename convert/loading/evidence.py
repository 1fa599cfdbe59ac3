"""Measurements that came in from Macs: a file of them, and the rules by which one is added.

A measurement comes from strangers. Its types, its ranges and its digests are checked; that its
figures are true, nothing can prove.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.loading.share import Measurement, measurement_faults
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.codec import DecodeError, from_plain, to_plain
from sdcoreml.ground.documents import parse_json, read_record
from sdcoreml.ground.errors import BadInputError, LockfileError
from sdcoreml.ground.files import Document, read_bytes
from sdcoreml.ground.refusals import translate_os_errors
from sdcoreml.lockfiles.evidence import load_evidence
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.toolchain import load_shipped, load_variants

FILE = Path(__file__).parent / "evidence.json"
LARGEST = 256 << 10
"""The largest measurement that is read, in bytes; real ones have a few kilobytes."""

_TARGETS = ("macos-arm64", "macos-x86_64")
_REMEDY = "give a file that `sdcoreml verify FOLDER --with coreml --share FILE` wrote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """All measurements that came in, in the order in which they did."""

    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """The measurement as added; `is_new` is False if the collection had it already."""

    measurement: Measurement
    is_new: bool


def read_collection(path: Path = FILE) -> Collection:
    """Return all measurements; none if there is no file."""
    if not path.exists():
        return Collection()
    return read_record(path, Document.RECORD, Collection, remedy="restore it")


def read_measurement(path: Path) -> Measurement:
    """Read a measurement that somebody else wrote.

    Raises:
        BadInputError: it is not one, whatever is wrong with it; the first fault is named.
    """
    data = read_bytes(path, Document.RECORD, remedy=_REMEDY)
    if len(data) > LARGEST:
        raise BadInputError(f"{len(data):,} bytes, too large", where=path, remedy=_REMEDY)
    try:
        found = from_plain(Measurement, parse_json(data, path, remedy=_REMEDY))
    except DecodeError as error:
        raise BadInputError(str(error), where=path, remedy=_REMEDY) from None
    if faults := tuple(measurement_faults(found)):
        more = f" (and {len(faults) - 1} more)" * (len(faults) > 1)
        raise BadInputError(f"{faults[0]}{more}", where=path, remedy=_REMEDY)
    return found


def add(path: Path, collection: Path = FILE) -> Addition:
    """Add a measurement to the collection.

    Raises:
        BadInputError: it is not a measurement, or its lock is not known.
    """
    found = read_measurement(path)
    if found.lock not in _known_locks(found.toolchain):
        raise BadInputError(
            f"lock: none of {found.toolchain} on macOS that is known here",
            where=path,
            remedy="add it in the version of sdcoreml that measured it",
        )
    before = read_collection(collection)
    is_new = found not in before.measurements
    if is_new:
        after = Collection(measurements=(*before.measurements, found))
        with translate_os_errors(collection):
            write_text(collection, json.dumps(to_plain(after), indent=1) + "\n")
    return Addition(measurement=found, is_new=is_new)


def _known_locks(name: str) -> frozenset[str]:
    """Return the digests of a toolchain's locks for macOS, now and in its test records."""
    try:
        forms = tuple(load_variants(load_shipped(name)))
    except LockfileError:
        return frozenset()
    proofs = {
        proof.lock for form in forms for proof in load_evidence(form) if proof.target in _TARGETS
    }
    return frozenset({*proofs, *(lock for form in forms for lock in _locks(str(form.folder)))})


def _locks(folder: str) -> Iterator[str]:
    for target in _TARGETS:
        with suppress(LockfileError):  # not every form is for every target
            yield load_lock(folder, target).digest
