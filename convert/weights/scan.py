"""Reads a weight file once, for its SHA-256 and to check its numbers: NaN, infinity, overflow."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sdcoreml.convert.weights.bits import largest_bits
from sdcoreml.convert.weights.dtypes import SIZES
from sdcoreml.convert.weights.hashing import StreamDigest
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.transfer import ShortReadError, new_buffers, read_blocks
from sdcoreml.ground.digest import FileRecord
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, silent
from sdcoreml.ground.files import open_regular
from sdcoreml.ground.labour import Labour, reading, tell

SPOILT: dict[str, int] = {
    "F16": 0x7C00,
    "BF16": 0x7F80,
    "F32": 0x7F800000,
    "F64": 0x7FF0000000000000,
    "F8_E5M2": 0x7C,
    "F8_E4M3": 0x7F,
}
"""The bits of infinity for each type, without the sign; for E4M3, which has none, those of NaN.

Without the sign, the bits of floats are ordered like their values, so larger bits are not finite.
"""

LARGEST: dict[str, int] = {
    "BF16": 0x477F,
    "F32": 0x477FE000,
    "F64": 0x40EFFC0000000000,
}
"""The bits of the largest number that float16 can hold (65504, or the next below it), by type."""

RUIN = "the model is damaged, or its training failed: use another version of it"


def scan_file(
    path: Path,
    tensors: Sequence[TensorInfo],
    half: Collection[str] = (),
    emit: Emit = silent,
) -> FileRecord:
    """Return size and SHA-256 of the file `path`, and check that `tensors` in it are finite.

    The tensors named in `half`, which become float16, must not overflow it either.

    The file is read once, in blocks, while another thread hashes. A tensor that is not stored in
    one piece, or that shares its bytes with another, is only hashed: its numbers are checked when
    it is used.

    Raises:
        BadInputError: a tensor holds NaN, infinity or too large a number, or the file ended early.
    """
    digest, buffers = StreamDigest(), new_buffers(2)  # one is hashed while the other is filled
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            for start, count, tensor in _pieces(tensors, size):
                for block in read_blocks(file.fileno(), start, count, buffers):
                    digest.update(block)
                    tell(emit, Labour.READ, reading(block.nbytes))
                    if tensor:
                        _require_finite(block, tensor)
                    if tensor and tensor.name in half and tensor.dtype in LARGEST:
                        _require_half(block, tensor)
            return FileRecord(size=size, sha256=digest.hexdigest())
        except ShortReadError:
            remedy = "download the file again"
            raise BadInputError("the file ended early", where=path, remedy=remedy) from None
        finally:
            digest.close()


def _pieces(
    tensors: Sequence[TensorInfo], size: int
) -> Iterator[tuple[int, int, TensorInfo | None]]:
    """Yield the file in pieces: start, length, and the tensor there if its numbers are checked."""
    position = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.start):
        end = tensor.start + tensor.nbytes
        whole = tensor.stride is None and tensor.dtype in SPOILT and position <= tensor.start
        if whole and tensor.nbytes and end <= size:
            if tensor.start > position:
                yield position, tensor.start - position, None
            yield tensor.start, tensor.nbytes, tensor
            position = end
    if size > position:
        yield position, size - position, None


def _require_finite(block: memoryview, tensor: TensorInfo) -> None:
    import numpy as np

    width = SIZES[tensor.dtype]
    first = SPOILT[tensor.dtype]
    bits = np.frombuffer(block, f"<u{width}")
    if largest_bits(bits) < first:
        return
    sizes = bits & ((1 << 8 * width - 1) - 1)
    is_nan = bool((sizes > first).any()) or tensor.dtype == "F8_E4M3"
    what = f"the tensor {tensor.name} holds {'NaN' if is_nan else 'an infinite number'}"
    raise BadInputError(what, where=tensor.path, remedy=RUIN)


def _require_half(block: memoryview, tensor: TensorInfo) -> None:
    import numpy as np

    bits = np.frombuffer(block, f"<u{SIZES[tensor.dtype]}")
    if largest_bits(bits) > LARGEST[tensor.dtype]:
        what = f"the tensor {tensor.name} holds a number beyond 65504, the largest of float16"
        remedy = "convert this component with --precision fp32"
        raise BadInputError(what, where=tensor.path, remedy=remedy)
