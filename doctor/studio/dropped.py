"""What is dropped on the page, as values: its files, safe names, and what counts of a folder.

Of a folder, what a model is made of is taken: weights, configs and vocabularies. Pictures, what has
an odd name and what is Core ML already is left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TypeAlias

from sdcoreml.convert.models.files import SUFFIXES
from sdcoreml.doctor.studio.refusals import AbsentError, RequestError

Bytes: TypeAlias = bytes | bytearray

LARGEST = 1 << 40
"""The most bytes of what is dropped: a thousand times the usual model."""

MOST_FILES = 2_000
"""The most files of a dropped folder: beyond that, somebody dropped their home."""

TEXTS = frozenset({".json", ".txt", ".model"})
"""The suffixes of what stands beside weights: configs, indexes, vocabularies and merges."""

_COREML = (".mlmodelc", ".mlpackage")
_DEEPEST = 4
_LENGTH = 4
"""The bytes before a head that say how long it is, the lowest first."""

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a dropped folder: its path in that, with `/`, its size, and its number in a list.

    The page lists all files, and calls each by its place in that list.
    """

    path: str
    size: int
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A dropped file, or folder with `files`: its name, made safe, and its size in bytes."""

    id: str
    name: str
    size: int
    files: tuple[File, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of all files, of which a dropped file is one."""
        return tuple(one.size for one in self.files) or (self.size,)

    def place_of(self, number: int) -> int:
        """Return the place among `files` of the one with this number in the page's list.

        Raises:
            AbsentError: there is none.
        """
        for place, one in enumerate(self.files):
            if one.number == number:
                return place
        raise AbsentError("this file is none of the folder", where=self.name)


def safe_name(name: str) -> str:
    """Return the last part of a name that a browser told, as a name that any disk takes.

    It is never hidden, has no control characters, and keeps its suffix when it is cut.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    kept = "".join(one for one in last if one.isprintable() and one != ":").strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    if not dot:
        stem, suffix = kept, ""
    ending = f"{dot}{suffix[:20]}"
    while len(f"{stem}{ending}".encode()) > _LONGEST_NAME:
        stem = stem[:-1]
    return f"{stem or 'model'}{ending}"


def choose_files(name: str, listed: Sequence[File]) -> tuple[File, ...]:
    """Return those files of the dropped folder `name` that a model can be made of.

    Raises:
        RequestError: there are no weights among them, or too many files, or all is Core ML already.
    """
    if len(listed) > MOST_FILES:
        what, remedy = "more files than a model has", "drop the model's own folder"
        raise RequestError(what, remedy=remedy)
    others = [one for one in listed if not _is_coreml(name, one)]
    found = tuple(_take(others))
    if not any(_suffix(one) in SUFFIXES for one in found):
        if len(others) < len(listed):
            remedy = "choose its folder from this computer to see what it is: that copies nothing"
            raise RequestError("this is Core ML already", remedy=remedy)
        remedy = "drop a model's own folder, with its weights"
        raise RequestError("there are no weights in this folder", remedy=remedy)
    if sum(one.size for one in found) > LARGEST:
        raise RequestError("no model has this size", where="the request")
    return found


def _take(listed: Sequence[File]) -> Iterator[File]:
    """Yield what is wanted; of two names that some disks take for one, the first.

    A Mac's disk may tell a letter and its accent as two characters (NFD): they become one.
    """
    files, folders = set[str](), set[str]()
    for told in listed:
        one = replace(told, path=unicodedata.normalize("NFC", told.path))
        parts = one.path.split("/")
        is_safe = len(parts) <= _DEEPEST and all(safe_name(part) == part for part in parts)
        if not is_safe or _suffix(one) not in SUFFIXES | TEXTS or one.size < 0:
            continue
        path = one.path.casefold()
        above = {f"{parent}" for parent in PurePosixPath(path).parents}
        if path not in files | folders and not above & files:
            files.add(path)
            folders |= above
            yield one


def _is_coreml(name: str, file: File) -> bool:
    """Whether a file is part of a program, compiled or not."""
    return any(part.lower().endswith(_COREML) for part in PurePosixPath(name, file.path).parts)


def _suffix(file: File) -> str:
    return PurePosixPath(file.path).suffix.lower()


def split_ends(ends: Bytes, size: int) -> tuple[memoryview, memoryview]:
    """Return the head and the tail of a file: what came is the head's length, the head, the tail.

    Raises:
        RequestError: they are no ends of a file of this size.
    """
    whole = memoryview(ends)  # slices of bytes would be copies of megabytes
    length = int.from_bytes(ends[:_LENGTH], "little")
    head, tail = whole[_LENGTH : _LENGTH + length], whole[_LENGTH + length :]
    if len(ends) < _LENGTH or len(head) != length or len(head) + len(tail) > size:
        raise RequestError("these are no ends of a file of this size", where="the request")
    if not 0 <= size <= LARGEST:
        raise RequestError("no model has this size", where="the request")
    return head, tail
