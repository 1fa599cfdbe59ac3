"""Builds records of the storages and tensors that a checkpoint's pickle describes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import cast

from sdcoreml.convert.weights.dtypes import SIZES, STORAGES, TORCH
from sdcoreml.convert.weights.machine import Inert, MalformedPickleError, Name, Ordered
from sdcoreml.convert.weights.policy import CONSTRUCTORS, NameVerdict, judge
from sdcoreml.ground.errors import UnsafePickleError

MAX_RANK = 64
MAX_EXTENT = 1 << 48


class Trust(Enum):
    """The names that a file may mention in addition to the format's own."""

    STRICT = auto()
    """None. For `.bin` files: PyTorch's `state_dict` and nothing else."""
    INERT = auto()
    """Harmless ones, kept as records outside the tensor mapping.

    For `.ckpt`, `.pt`, `.pth` files: trainers pickle their own objects with the weights.
    """


@dataclass(frozen=True, slots=True)
class StorageRecord:
    """A run of `numel` elements under `key`. `dtype` is `None` for a storage of plain bytes."""

    key: str
    dtype: str | None
    numel: int

    @property
    def nbytes(self) -> int:
        """The size in bytes that the storage declares."""
        return self.numel * (SIZES[self.dtype] if self.dtype else 1)


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """A tensor whose elements lie in a storage; `offset` and `stride` are in elements."""

    storage: StorageRecord
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


class Records:
    """The `Builder` of a checkpoint: records storages and tensors, and keeps all else inert."""

    def __init__(self, where: str, trust: Trust) -> None:
        self.where = where
        self.trust = trust
        self.storages: dict[str, StorageRecord] = {}
        self.unknown: Counter[str] = Counter()

    def unknown_names(self) -> tuple[str, ...]:
        """Return the names kept as inert records, and how often each occurs in the file."""
        return tuple(f"{name} ({count})" for name, count in sorted(self.unknown.items()))

    def name(self, module: str, name: str) -> Name:
        """Accept `module.name`, or raise `UnsafePickleError`."""
        full = f"{module}.{name}"[:120]
        if not full.isprintable():
            raise MalformedPickleError(f"a name that is not printable text: {full!r}")
        verdict = judge(module, name)
        harm = None
        if verdict is NameVerdict.DANGEROUS:
            harm = f"the pickle names {full!r}, which can run code"
        elif verdict is NameVerdict.INERT and self.trust is Trust.STRICT:
            harm = f"the pickle names {full!r}, which no state dict needs"
        if harm:
            raise UnsafePickleError(
                f"{harm} (nothing was run)",
                where=self.where,
                remedy="do not load this file; get a .safetensors version or ask its author",
            )
        if verdict is NameVerdict.INERT:
            self.unknown[full] += 1
        return Name(module, name)

    def call(self, name: Name, arguments: tuple[object, ...]) -> object:
        """Return the record in place of the result of `name(*arguments)`."""
        if (name.module, name.name) in CONSTRUCTORS:
            return _MAKERS[name.name](*arguments)
        return Inert(name, arguments)

    def storage(self, persistent_id: object) -> StorageRecord:
        """Parse the storage `("storage", class, key, device, numel[, view])`."""
        match persistent_id:
            case ("storage", Name(name=kind), str() | int() as key, _, int() as numel, *view):
                pass
            case _:
                raise MalformedPickleError("a persistent id that is not a storage")
        if kind not in STORAGES:
            raise MalformedPickleError(f"unsupported storage class {kind!r}")
        if any(part is not None for part in view):
            raise MalformedPickleError("a storage view, which PyTorch stopped writing before 0.4")
        if not 0 <= numel <= MAX_EXTENT:
            raise MalformedPickleError(f"storage {key!s:.20} with an impossible size")
        storage = StorageRecord(str(key), STORAGES[kind], numel)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise MalformedPickleError(f"storage {key!s:.20} declared twice, differently")
        return storage


def _tensor(
    storage: object,
    offset: object,
    size: object,
    stride: object,
    *_: object,
    dtype: str | None = None,
) -> TensorRecord:
    """Describe the view of `storage` that `torch._utils._rebuild_tensor` would make."""
    if type(storage) is not StorageRecord or type(size) is not tuple or type(stride) is not tuple:
        raise MalformedPickleError("a tensor that is not on a storage")
    if len(size) != len(stride) or len(size) > MAX_RANK:
        raise MalformedPickleError("a tensor whose shape and stride do not fit each other")
    extents = (offset, *size, *stride)
    if not all(type(value) is int and 0 <= value <= MAX_EXTENT for value in extents):
        raise MalformedPickleError("a tensor with an impossible shape, stride or offset")
    dtype = dtype or storage.dtype
    if dtype is None:
        raise MalformedPickleError("a tensor without a dtype")
    record = TensorRecord(storage, dtype, size, stride, cast("int", offset))
    if math.prod(size):
        last = record.offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if (last + 1) * SIZES[dtype] > storage.nbytes:
            raise MalformedPickleError(
                f"a tensor of shape {list(size)} that reaches past its storage {storage.key!r} "
                f"of {storage.nbytes:,} bytes"
            )
    return record


def _read_typed_tensor(*arguments: object) -> TensorRecord:
    """Read a `_rebuild_tensor_v3`: its seventh argument is the dtype, its storage plain bytes."""
    dtype = arguments[6]
    if type(dtype) is not Name or dtype.name not in TORCH:
        raise MalformedPickleError(f"unsupported dtype {dtype!s:.40}")
    return _tensor(*arguments[:4], dtype=TORCH[dtype.name])


def _make_ordered(*arguments: list[tuple[object, object]]) -> Ordered:
    pairs = arguments[0] if arguments else []
    return Ordered({key: value for key, value in pairs if type(key) is str})


_MAKERS: Mapping[str, Callable[..., object]] = {
    "OrderedDict": _make_ordered,
    "_rebuild_tensor": _tensor,
    "_rebuild_tensor_v2": _tensor,
    "_rebuild_tensor_v3": _read_typed_tensor,
    "_rebuild_parameter": lambda data, *_: data,
    "Size": tuple,
}
"""Maps each of `policy.CONSTRUCTORS` to the function that makes its record."""
