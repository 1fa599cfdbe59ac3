"""Accounts for every weight of a written program, byte for byte, without torch.

A weight is right when it equals a tensor of the checkpoint, rounded to the program's type, in every
byte and in its shape (dimensions of size 1 aside: a linear layer is written as a 1x1 convolution).
What no tensor explains must be one of the few constants that builders add, and every tensor of the
component must turn up. A constant that bears a tensor's name must hold that tensor; with other
names, as other converters give them, only running the program tells whether two were exchanged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from convert.mil.elements import Storage, array, is_text
from convert.spec.model import DataType, Function, Operation, TensorType, Value

if TYPE_CHECKING:
    import numpy as np

    from convert.mil.elements import Array

_FLOATS = frozenset({DataType.FLOAT16, DataType.FLOAT32})
_RELEASE_AFTER = 64 << 20  # bytes
_SAMPLES = 64

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "vae_decoder": ("decoder.", "post_quant_conv."),
    "vae_encoder": ("encoder.", "quant_conv."),
}
"""The tensors that belong to a component which shares its file with another."""

_NOT_WEIGHTS = ("position_ids",)


class Tensors(Protocol):
    """A checkpoint's tensors: `convert.weights.safetensors.TensorFile`, or a test's dictionary."""

    def names(self) -> tuple[str, ...]:
        """Every name, in the order of the file."""
        ...

    def __getitem__(self, name: str) -> np.ndarray:
        """A tensor as stored."""
        ...

    def release(self) -> None:
        """Give mapped pages back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What became of each weight.

    `sources` maps a constant of the program to the tensors whose bytes it has (several when the
    checkpoint holds equal ones); `extras` maps the constants that a builder adds to what they are.
    Of the sources, `misplaced` bear another tensor's name and `anonymous` bear none's.
    """

    sources: Mapping[str, tuple[str, ...]]
    extras: Mapping[str, str]
    misplaced: tuple[str, ...] = ()
    anonymous: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    elements: int = 0

    @property
    def passed(self) -> bool:
        """Whether every constant is explained and every tensor was found."""
        return not self.faults()

    @property
    def is_exact(self) -> bool:
        """Whether also every weight is proved, by name, to be in its own place."""
        return self.passed and not self.anonymous

    def faults(self) -> tuple[str, ...]:
        """What is wrong, a line each, all names given."""
        return tuple(
            f"{len(names)} {what}: {', '.join(names)}"
            for what, names in (
                ("weights equal no tensor of the checkpoint", self.unexplained),
                ("weights are another tensor than they are named for", self.misplaced),
                ("tensors are not in the program", self.missing),
            )
            if names
        )

    def as_json(self) -> dict[str, Any]:
        """For the manifest: counts, and names only where something is out of the ordinary."""
        return {
            "matched": len(self.sources),
            "elements": self.elements,
            "extras": dict(self.extras),
            "anonymous": len(self.anonymous),
            "misplaced": list(self.misplaced),
            "unexplained": list(self.unexplained),
            "missing": list(self.missing),
        }


def audit(
    function: Function, storage: Storage, tensors: Tensors, prefixes: tuple[str, ...] = ()
) -> Audit:
    """Compare every floating-point constant of more than one element with the checkpoint.

    Args:
        function: the program's function.
        storage: its weights.
        tensors: the checkpoint's.
        prefixes: which tensors belong to this program; all of them, if none are given.
    """
    wanted = [
        name
        for name in tensors.names()
        if name.startswith(prefixes or "") and not name.endswith(_NOT_WEIGHTS)
    ]
    index = _Index(tensors, wanted)
    sources: dict[str, tuple[str, ...]] = {}
    extras: dict[str, str] = {}
    unexplained: list[str] = []
    elements = 0
    for name, constant in _constants(function, storage):
        if found := index.equal_to(name, constant):
            sources[name] = found
            elements += constant.size
        elif kind := describe(constant):
            extras[name] = kind
        else:
            unexplained.append(name)
    return Audit(
        sources=sources,
        extras=extras,
        misplaced=tuple(name for name, found in sources.items() if index.is_foreign(name, found)),
        anonymous=tuple(name for name in sources if plain(name) not in index.owners),
        unexplained=tuple(unexplained),
        missing=index.missing({name for names in sources.values() for name in names}),
        elements=elements,
    )


def plain(name: str) -> str:
    """A tensor's name as programs may spell it: letters, digits and underscores."""
    return re.sub(r"\W", "_", name)


class _Index:
    """The checkpoint's tensors by type, shape and a few sampled elements."""

    def __init__(self, tensors: Tensors, names: Iterable[str]) -> None:
        self.owners = {plain(name): name for name in names}
        self._tensors = tensors
        self._alike: dict[str, dict[tuple[Any, ...], list[str]]] = {}
        self._touched = 0

    def equal_to(self, name: str, constant: Array) -> tuple[str, ...]:
        """The tensors whose every byte is the constant's; its namesake alone, if it is one."""
        alike = self._candidates(constant.dtype.str).get(_key(constant, _sample(constant)), [])
        namesake = self.owners.get(plain(name))
        if namesake in alike and self._is_equal(namesake, constant):
            return (namesake,)
        return tuple(other for other in alike if self._is_equal(other, constant))

    def is_foreign(self, name: str, found: tuple[str, ...]) -> bool:
        """Whether a constant bears the name of a tensor that it is not equal to."""
        return self.owners.get(plain(name), found[0]) not in found

    def missing(self, found: Collection[str]) -> tuple[str, ...]:
        """The tensors that are not among those found, nor equal to one of them."""
        return tuple(
            name
            for name in self.owners.values()
            if name not in found and not any(self._twins(name, found))
        )

    def _twins(self, name: str, found: Collection[str]) -> Iterator[str]:
        """Tensors among those found that are equal to this one."""
        for dtype, candidates in self._alike.items():
            mine = _rounded(self._tensors[name], dtype)
            for other in candidates.get(_key(mine, _sample(mine)), ()):
                if other in found and self._is_equal(other, mine):
                    yield other

    def _candidates(self, dtype: str) -> dict[tuple[Any, ...], list[str]]:
        """The names by what equal tensors share, once rounded to a type."""
        if dtype not in self._alike:
            alike = self._alike[dtype] = {}
            for name in self.owners.values():
                tensor = self._tensors[name]
                key = _key(tensor, _rounded(_sample(tensor), dtype))
                alike.setdefault(key, []).append(name)
        return self._alike[dtype]

    def _is_equal(self, name: str, constant: Array) -> bool:
        """Compare all bytes; give mapped pages back from time to time."""
        import numpy as np

        bits = f"u{constant.itemsize}"
        tensor = _rounded(self._tensors[name], constant.dtype.str).reshape(-1)
        equal = np.array_equal(tensor.view(bits), constant.reshape(-1).view(bits))
        self._touched += constant.nbytes
        if self._touched > _RELEASE_AFTER:
            self._tensors.release()
            self._touched = 0
        return bool(equal)


def _constants(function: Function, storage: Storage) -> Iterator[tuple[str, Array]]:
    """Name and content of each constant that could be a weight."""
    for operation in function.block.operations:
        for name, value in _values(operation):
            declared = value.type
            if is_text(value) or not isinstance(declared, TensorType):
                continue
            if declared.dtype in _FLOATS and math.prod(size or 0 for size in declared.shape) > 1:
                yield name, array(value, storage)


def _values(operation: Operation) -> Iterator[tuple[str, Value]]:
    """Constants of their own, and those written straight into an argument."""
    if operation.type == "const":
        yield operation.outputs[0].name, operation.attributes["val"]
        return
    for argument, bindings in operation.inputs.items():
        for binding in bindings:
            if isinstance(binding, Value):
                yield f"{operation.outputs[0].name}.{argument}", binding


def _key(tensor: Array, sample: Array) -> tuple[Any, ...]:
    """What equal tensors share: the shape without dimensions of size 1, and sampled bytes."""
    return (*(size for size in tensor.shape if size != 1), sample.tobytes())


def _sample(tensor: Array) -> Array:
    """A few elements from all over a tensor."""
    return tensor.reshape(-1)[:: max(1, tensor.size // _SAMPLES)]


def _rounded(tensor: Array, dtype: str) -> Array:
    """The tensor in the program's type; what overflows becomes infinite, and equals no weight."""
    import numpy as np

    with np.errstate(over="ignore"):
        return tensor.astype(dtype, copy=False)


def describe(constant: Array) -> str | None:
    """What a constant is that builders add by themselves; `None` if it is none of them."""
    return next((kind for kind, fits in _EXTRAS.items() if fits(constant)), None)


def _is_zeros(constant: Array) -> bool:
    return not constant.any()


def _is_ones(constant: Array) -> bool:
    return bool((constant == 1).all())


def _is_frequencies(constant: Array) -> bool:
    """The sinusoids of a timestep: `10000 ** -(i / (n - shift))` for a shift of 0 or 1."""
    import numpy as np

    flat = constant.reshape(-1)
    exponents = np.arange(flat.size, dtype=np.float64)
    return any(
        np.allclose(flat, 10000.0 ** (-exponents / (flat.size - shift)), rtol=1e-6, atol=0)
        for shift in (0, 1)
        if flat.size > shift
    )


def _is_causal_mask(constant: Array) -> bool:
    """Zero on and below the diagonal, one finite and very negative number above it."""
    import numpy as np

    square = constant.squeeze()
    if square.ndim != 2 or square.shape[0] != square.shape[1]:  # noqa: PLR2004  a matrix
        return False
    hidden = square[np.triu_indices(square.shape[0], 1)]
    uniform = bool((hidden == hidden[0]).all()) and -65504 <= hidden[0] <= -1000  # noqa: PLR2004
    return uniform and not np.tril(square).any()


_EXTRAS: Mapping[str, Callable[[Array], bool]] = {
    "zeros": _is_zeros,
    "ones": _is_ones,
    "timestep frequencies": _is_frequencies,
    "causal mask": _is_causal_mask,
}
