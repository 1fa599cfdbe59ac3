"""Refuses to overwrite a file with other weights, or to write far more data than was stored.

A pickled tensor may repeat its elements (a stride of 0), so that a file of 1 KB holds 2 GB. Real
checkpoints store a tied weight once for two names, at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from sdcoreml.convert.weights.safetensors import read_header
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.quantity import amount

USUAL = 2
"""Tensors up to this many times as large as their stored data cause no warning."""

MOST = 16
"""Tensors beyond this multiple of their stored data are refused, as a mistake or a trap."""

FORCE = "if it is meant, `sdcoreml weights IN OUT --force` writes it"


def require_older(target: Path, tensors: Sequence[TensorInfo]) -> None:
    """Refuse to replace `target` unless it holds tensors with the same names and shapes.

    Raises:
        BadInputError: the file holds something else, or tensors of other names or shapes.
    """
    if not target.is_file() or not target.stat().st_size:
        return
    remedy = "choose another name, or add --force to replace it"
    try:
        entries = read_header(target).entries
    except BadInputError:
        raise BadInputError(
            "exists and is not a safetensors file", where=target, remedy=remedy
        ) from None
    wanted = {(tensor.name, tensor.shape) for tensor in tensors}
    if {(entry.name, tuple(entry.shape)) for entry in entries} != wanted:
        raise BadInputError("exists and holds other tensors", where=target, remedy=remedy)


def judge_repeats(tensors: Iterable[object], emit: Emit, *, is_meant: bool = False) -> None:
    """Warn if tensors are much larger than their stored data; refuse them above `MOST`.

    Computed tensors do not count.

    Raises:
        BadInputError: they are more than `MOST` times as large, and `is_meant` is false.
    """
    read = [tensor for tensor in tensors if isinstance(tensor, TensorInfo)]
    written, stored = sum(tensor.nbytes for tensor in read), stored_bytes(read)
    if written <= USUAL * stored:
        return
    largest = max(read, key=lambda tensor: tensor.nbytes - tensor.reach)
    said = f"repeats what the file stores once: {amount(stored)} become {amount(written)}"
    if written > MOST * stored and not is_meant:
        raise BadInputError(f"{largest.name!r} {said}", where=largest.path, remedy=FORCE)
    emit(Event(kind="warning", text=f"{largest.name!r} {said}"))


def stored_bytes(tensors: Iterable[TensorInfo]) -> int:
    """Count the stored bytes that the tensors refer to, each byte once."""
    spans = sorted((t.path, t.start, t.start + t.reach) for t in tensors if t.numel)
    total = 0
    for _, group in groupby(spans, key=lambda span: span[0]):
        done = 0
        for _, start, end in group:
            total += max(0, end - max(start, done))
            done = max(done, end)
    return total
