"""Divides files into runs that a thread hashes one after another.

To hand a single small file to a thread costs as much as to hash it. Large files stay apart, so that
all cores have work until the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

MOST_FILES = 64
MOST_BYTES = 1 << 20


def runs_of(files: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield the files in their order, in runs of at most `MOST_FILES` files and `MOST_BYTES` bytes.

    A file that is larger than that is a run by itself.
    """
    run: list[T] = []
    total = 0
    for file in files:
        nbytes = size(file)
        if run and (len(run) == MOST_FILES or total + nbytes > MOST_BYTES):
            yield run
            run, total = [], 0
        run.append(file)
        total += nbytes
    if run:
        yield run
