"""Audits every weight of a written program against the checkpoint, byte for byte, without torch.

A weight is correct if its shape and every byte are those of a tensor of the checkpoint after
rounding to the program's type. Dimensions of size 1 do not count, because a linear layer is written
as a 1x1 convolution. Every other constant must be one of the few that builders add, and every
tensor of the component must occur. A constant named like a tensor must hold that tensor. If the
names are another converter's, only running the program shows whether two weights were swapped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.payload import Tensors
from sdcoreml.convert.programs.text_encoder import MOST_BLOCKS
from sdcoreml.convert.proof.compressed import Compressed
from sdcoreml.convert.proof.pages import Pages
from sdcoreml.convert.proof.record import AuditRecord, Rounded
from sdcoreml.convert.proof.tables import describe
from sdcoreml.convert.proof.weighing import compressed_constants, measure_compressed, plain
from sdcoreml.convert.spec.model import DataType, Function, Operation, TensorType, Value
from sdcoreml.convert.storage.elements import BlobStorage, array, as_mapped, is_text
from sdcoreml.ground.codec import read_field
from sdcoreml.ground.crew import at_work
from sdcoreml.ground.labour import Labour, comparing, tell

if TYPE_CHECKING:
    from sdcoreml.convert.storage.elements import Array

_FLOATS = frozenset({DataType.FLOAT16, DataType.FLOAT32})
_SAMPLES = 64
_BLOCK = 1 << 18
"""The number of elements that are compared at a time."""

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "vae_decoder": ("decoder.", "post_quant_conv."),
    "vae_encoder": ("encoder.", "quant_conv."),
}
"""Name prefixes of a program's tensors, for programs whose file has another's tensors too."""

_NOT_WEIGHTS = ("position_ids",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The result of an audit.

    `sources` maps each constant of the program to the tensors that it equals; there are several if
    the checkpoint holds equal tensors. `extras` maps each constant that a builder adds to its
    description. Of the constants in `sources`, those in `misplaced` have the name of another
    tensor, and those in `anonymous` have the name of no tensor. `compressed` weights equal no
    tensor and are identified by name alone.
    """

    sources: Mapping[str, tuple[str, ...]]
    extras: Mapping[str, str]
    misplaced: tuple[str, ...] = ()
    anonymous: tuple[str, ...] = ()
    compressed: Mapping[str, Compressed] = field(default_factory=dict)
    unexplained: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    elements: int = 0

    @property
    def passed(self) -> bool:
        """Whether every constant is explained and every tensor was found."""
        return not self.faults()

    @property
    def wrong(self) -> tuple[str, ...]:
        """The constants whose numbers are no tensor's, or not those of the tensor they name."""
        codes = tuple(name for name, item in self.compressed.items() if item.wrong)
        return (*codes, *self.unexplained, *self.misplaced)

    @property
    def placed(self) -> dict[str, str]:
        """Maps the constants that have the name and content of a tensor to that tensor's name.

        A compressed constant counts if each of its codes is the nearest. Names are as `plain`
        spells them.
        """
        strange = {*self.misplaced, *self.anonymous}
        plainly = {name: plain(name) for name in self.sources if name not in strange}
        nearest = {name: item for name, item in self.compressed.items() if item.is_nearest}
        return plainly | {name: plain(item.tensor) for name, item in nearest.items()}

    def faults(self) -> tuple[str, ...]:
        """Return one line for each kind of fault, with all constants or tensors concerned."""
        codes = tuple(name for name, item in self.compressed.items() if item.wrong)
        return tuple(
            f"{len(names)} {what}: {', '.join(names)}"
            for what, names in (
                ("compressed weights have codes that are not the nearest", codes),
                ("weights equal no tensor of the checkpoint", self.unexplained),
                ("weights are another tensor than they are named for", self.misplaced),
                ("tensors are not in the program", self.missing),
            )
            if names
        )

    def record(self) -> AuditRecord:
        """Return the record for the manifest: counts, and only the names of unusual constants."""
        return AuditRecord(
            matched=len(self.sources),
            elements=self.elements,
            extras=dict(self.extras),
            compressed=_summary(self.compressed.values()),
            anonymous=len(self.anonymous),
            misplaced=self.misplaced,
            unexplained=self.unexplained,
            missing=self.missing,
        )


def prefixes_left_out(config: Mapping[str, object], options: ProgramOptions) -> tuple[str, ...]:
    """Return name prefixes of the tensors that a conversion leaves out.

    These are the blocks that `clip_skip` skips, and any beyond the config's number of layers.
    """
    used = read_field(config, "num_hidden_layers", int, 12) - options.clip_skip + 1
    return tuple(f"text_model.encoder.layers.{number}." for number in range(used, MOST_BLOCKS))


def audit(
    function: Function,
    storage: BlobStorage,
    tensors: Tensors,
    prefixes: tuple[str, ...] = (),
    ignored: tuple[str, ...] = (),
) -> Audit:
    """Compare every floating-point constant of more than one element with the checkpoint.

    Args:
        function: the program's function.
        storage: the weights of the program.
        tensors: the tensors of the checkpoint.
        prefixes: name prefixes of this program's tensors; by default, all tensors count.
        ignored: prefixes of the names of tensors that the program leaves out on purpose.
    """
    wanted = [
        name
        for name in tensors.names()
        if name.startswith(prefixes or "")
        and not name.startswith(ignored)
        and not name.endswith(_NOT_WEIGHTS)
    ]
    views = as_mapped(storage)
    index = _Index(tensors, wanted, Pages(tensors, views))
    compressed = measure_compressed(function, storage, tensors, index.owners)
    sources: dict[str, tuple[str, ...]] = {}
    extras: dict[str, str] = {}
    names = (operation.outputs[0].name for operation in compressed_constants(function))
    unexplained = [name for name in names if name not in compressed]
    elements, emit = 0, at_work().emit
    for name, constant in _constants(function, views):
        if found := index.equal_to(name, constant):
            sources[name] = found
            elements += constant.size
            tell(emit, Labour.COMPARE, comparing(constant.size))
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
        compressed=compressed,
        missing=index.missing(
            {
                *(name for names in sources.values() for name in names),
                *(item.tensor for item in compressed.values()),
            }
        ),
        elements=elements,
    )


def _summary(compressed: Iterable[Compressed]) -> dict[str, Rounded]:
    """Return, by method, the number of compressed weights, and the worst and typical PSNR."""
    by_method: dict[str, list[Compressed]] = {}
    for item in compressed:
        by_method.setdefault(item.method, []).append(item)
    return {method: _find_rounding(items) for method, items in by_method.items()}


def _find_rounding(items: Sequence[Compressed]) -> Rounded:
    worst = min(items, key=lambda item: item.psnr)
    return Rounded(
        weights=len(items),
        psnr=round(worst.psnr, 2),
        typical=round(median(item.psnr for item in items), 2),
        worst=worst.tensor,
    )


def _parts(function: Function) -> frozenset[str]:
    """Return the names of constants that are only arguments of compressed constants."""
    return frozenset(
        name for operation in compressed_constants(function) for name in operation.reads
    )


class _Index:
    """Finds the tensors of a checkpoint by type, shape and a few sampled elements."""

    def __init__(self, tensors: Tensors, names: Iterable[str], pages: Pages) -> None:
        self.owners = {plain(name): name for name in names}
        self._tensors = tensors
        self._dtypes: set[str] = set()
        self._shapes: dict[tuple[int, ...], list[str]] = {}
        self._alike: dict[tuple[str, tuple[int, ...]], dict[bytes, list[str]]] = {}
        self._pages = pages

    def equal_to(self, name: str, constant: Array) -> tuple[str, ...]:
        """Return the tensors that equal the constant; only the tensor of its name if that does.

        Samples are taken only if that does not: they read pages from all over each tensor.
        """
        self._dtypes.add(constant.dtype.str)
        namesake = self.owners.get(plain(name))
        if namesake is not None and self._is_equal(namesake, constant):
            return (namesake,)
        alike = self._candidates(constant.dtype.str, constant)
        return tuple(other for other in alike if self._is_equal(other, constant))

    def is_foreign(self, name: str, found: tuple[str, ...]) -> bool:
        """Whether a constant has the name of a tensor that it does not equal."""
        return self.owners.get(plain(name), found[0]) not in found

    def missing(self, found: Collection[str]) -> tuple[str, ...]:
        """Return the tensors that were not found, unless they equal one that was."""
        return tuple(
            name
            for name in self.owners.values()
            if name not in found and not any(self._twins(name, found))
        )

    def _twins(self, name: str, found: Collection[str]) -> Iterator[str]:
        """Yield the found tensors that equal this one."""
        for dtype in sorted(self._dtypes):
            mine = _round_tensor(self._tensors[name], dtype)
            for other in self._candidates(dtype, mine):
                if other in found and self._is_equal(other, mine):
                    yield other

    def _candidates(self, dtype: str, like: Array) -> Sequence[str]:
        """Return the tensors that, rounded, have the shape and the sampled elements of `like`."""
        shape = _shape(like)
        if (dtype, shape) not in self._alike:
            alike = self._alike[dtype, shape] = {}
            for name in self._of_shape(shape):
                sample = _round_tensor(_sample(self._tensors[name]), dtype)
                alike.setdefault(sample.tobytes(), []).append(name)
                self._pages.release()  # sampling maps pages from all over the tensor into memory
        return self._alike[dtype, shape].get(_sample(like).tobytes(), ())

    def _of_shape(self, shape: tuple[int, ...]) -> Sequence[str]:
        """Return the tensors of a shape, not counting sizes of 1."""
        if not self._shapes:
            for name in self.owners.values():
                self._shapes.setdefault(_shape(self._tensors[name]), []).append(name)
        return self._shapes.get(shape, ())

    def _is_equal(self, name: str, constant: Array) -> bool:
        """Whether the tensor, rounded, equals the constant in shape and in every byte.

        Blocks keep what is rounded and compared small, and most of them are compared by words.
        """
        dtype, whole = constant.dtype.str, self._tensors[name]
        if _shape(whole) != _shape(constant):
            return False
        tensor, stored = whole.reshape(-1), constant.reshape(-1)
        for at in range(0, tensor.size, _BLOCK):
            block = _round_tensor(tensor[at : at + _BLOCK], dtype)
            bits = "u8" if block.nbytes % 8 == 0 else f"u{constant.itemsize}"
            if (block.view(bits) != stored[at : at + _BLOCK].view(bits)).any():
                return False
            self._pages.count(2 * block.nbytes)
        return True


def _constants(function: Function, storage: BlobStorage) -> Iterator[tuple[str, Array]]:
    """Yield the name and content of each constant that could be a weight."""
    for name, value in stated_constants(function):
        yield name, array(value, storage)


def stated_constants(function: Function) -> Iterator[tuple[str, Value]]:
    """Yield the name of each constant that could be a weight, and the value as it is stated."""
    parts = _parts(function)
    for operation in function.block.operations:
        for name, value in _values(operation):
            declared = value.type
            if name in parts or operation.is_compressed:
                continue
            if is_text(value) or not isinstance(declared, TensorType):
                continue
            if declared.dtype in _FLOATS and declared.count > 1:
                yield name, value


def _values(operation: Operation) -> Iterator[tuple[str, Value]]:
    """Yield the constants of an operation: the value of a `const`, or immediate arguments."""
    if operation.type == "const":
        yield operation.outputs[0].name, operation.attributes["val"]
        return
    for argument, bindings in operation.inputs.items():
        for binding in bindings:
            if isinstance(binding, Value):
                yield f"{operation.outputs[0].name}.{argument}", binding


def _shape(tensor: Array) -> tuple[int, ...]:
    """Return the shape without sizes of 1."""
    return tuple(size for size in tensor.shape if size != 1)


def _sample(tensor: Array) -> Array:
    """Take a few elements spread over a tensor."""
    return tensor.reshape(-1)[:: max(1, tensor.size // _SAMPLES)]


def _round_tensor(tensor: Array, dtype: str) -> Array:
    """Round the tensor to the program's type; overflow gives infinity, which equals no weight."""
    import numpy as np

    with np.errstate(over="ignore"):
        return tensor.astype(dtype, copy=False)
