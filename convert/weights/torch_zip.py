"""Reads PyTorch's zip container: `data.pkl` describes tensors stored in `data/<key>`."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sdcoreml.convert.weights.machine import MAX_BYTES, MalformedPickleError
from sdcoreml.convert.weights.opcodes import interpret
from sdcoreml.convert.weights.records import Records, StorageRecord, Trust
from sdcoreml.convert.weights.zip_directory import Member, list_names, read_members
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import open_regular

ALIGNMENT = 64
"""PyTorch starts every storage at a multiple of this number of bytes."""


class PickledTensors(NamedTuple):
    """A PyTorch file's content: the pickled object, and the offset of each storage's bytes."""

    root: object
    starts: dict[str, int]
    unknown: tuple[str, ...]
    members: tuple[Member, ...] = ()


def read_zip(path: Path, trust: Trust) -> PickledTensors:
    """Read the description of a zip checkpoint, without its tensors' data.

    Raises:
        BadInputError: the file is damaged, or not a checkpoint.
        UnsafePickleError: the pickle names something that `trust` does not permit.
    """
    try:
        members = read_members(path)
    except BadInputError:
        if (names := list_names(path)) and not any(name.endswith("data.pkl") for name in names):
            raise _archive(path, names) from None
        raise
    pickle_name = _pickle_name(path, members)
    prefix = pickle_name.removesuffix("data.pkl")
    with open_regular(path) as file:
        if (order := members.get(f"{prefix}byteorder")) and order.nbytes < ALIGNMENT:
            file.seek(order.start)
            if file.read(order.nbytes) != b"little":
                raise big_endian(path)
        member = members[pickle_name]
        if member.nbytes > MAX_BYTES:
            raise BadInputError(
                f"data.pkl has {member.nbytes:,} bytes, over the limit of {MAX_BYTES:,}",
                where=path,
                remedy="a state dict needs a fraction of that, save only the state dict",
            )
        file.seek(member.start)
        data = file.read(member.nbytes)
    records = Records(str(path), trust)
    try:
        root = interpret(io.BytesIO(data), records)
    except MalformedPickleError as error:
        raise name_damage(path, f"data.pkl: {error}") from None
    storages = {
        key: _require_whole(path, storage, members.get(f"{prefix}data/{key}"))
        for key, storage in records.storages.items()
    }
    starts = {key: found.start for key, found in storages.items()}
    return PickledTensors(root, starts, records.unknown_names(), (member, *storages.values()))


def name_damage(path: Path, what: str) -> BadInputError:
    """Return the error for a damaged file; its remedy is another download."""
    return BadInputError(what, where=path, remedy="download the file again")


def big_endian(path: Path) -> BadInputError:
    """Return the error for a file from a big-endian machine."""
    return BadInputError(
        "saved with big-endian numbers",
        where=path,
        remedy="save it again on a little-endian machine",
    )


def _pickle_name(path: Path, members: dict[str, Member]) -> str:
    names = [name for name in members if name.endswith("data.pkl") and name.count("/") <= 1]
    if any(name.endswith("/constants.pkl") for name in members):
        raise BadInputError(
            "a TorchScript program, not a checkpoint",
            where=path,
            remedy="get the state dict instead",
        )
    match names:
        case [name] if name.rsplit("/")[-1] == "data.pkl":
            return name
    raise _archive(path, members)


def _archive(path: Path, names: Iterable[str]) -> BadInputError:
    """Return the error for a zip file that somebody packed, with the names in it."""
    return BadInputError(
        f"a zip file without PyTorch's data.pkl (first member: {next(iter(names), 'none')!r})",
        where=path,
        remedy="unpack it, and give the model's folder or file that is in it",
    )


def _require_whole(path: Path, storage: StorageRecord, member: Member | None) -> Member:
    if member is None:
        raise name_damage(path, f"storage {storage.key!r} has no bytes in the file")
    if member.nbytes < storage.nbytes:
        raise name_damage(
            path,
            f"storage {storage.key!r} needs {storage.nbytes:,} bytes and has {member.nbytes:,}",
        )
    if storage.nbytes and member.start % ALIGNMENT:
        raise BadInputError(
            (
                f"storage {storage.key!r} starts at byte {member.start:,}, not a "
                f"multiple of {ALIGNMENT}: the file was repacked"
            ),
            where=path,
            remedy="get the original, or save it with torch.save",
        )
    return member
