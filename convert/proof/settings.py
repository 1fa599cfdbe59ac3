"""Checks the numbers in a graph other than its weights: epsilons, scales, axes, bounds.

Running the graph cannot check them all: an epsilon that is ten times too small changes nothing if
the variance is large, and a bound changes nothing if no input exceeds it. So every fraction in a
graph must be one that the config, or else the pinned module, specifies. This module reads the
config on its own, shares nothing with the builders, and needs no torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.spec.model import (
    Binding,
    DataType,
    Function,
    Operation,
    TensorType,
    ValueType,
)
from sdcoreml.convert.storage.elements import BlobStorage, array, is_text
from sdcoreml.ground.codec import as_object, from_plain, read_field

if TYPE_CHECKING:
    from sdcoreml.convert.storage.elements import Array

LAYER_NORM = 1e-5
"""The epsilon of layer norms in diffusers' transformer blocks, and of CLIP's by default."""

BEFORE_TRANSFORMER = 1e-6
"""The epsilon of the group norm before the blocks of diffusers' `Transformer2DModel`."""

AUTOENCODER = 1e-6
"""The epsilon of group norms in diffusers' `AutoencoderKL`, whatever the config says."""

DENOISER = 1e-5
"""diffusers' default of `norm_eps`."""

QUICK_GELU = 1.702
"""The factor of transformers' `QuickGELUActivation`: `x * sigmoid(1.702 * x)`."""

CAREFUL = 0.01
"""What diffusers' safety checker adds to each score if a special concept matches."""

OWN_SCALE = 0.18215
"""diffusers' default of `scaling_factor`."""

ROUNDING = 5e-4
"""The relative tolerance of a scale: half a unit in the last place of float16."""

NEGLIGIBLE = 1e-6
"""The largest epsilon that makes no difference when added to a variance of 1."""

_FLOATS = frozenset({DataType.FLOAT16, DataType.FLOAT32})
_VAES = ("vae_decoder", "vae_encoder")
_TRANSFORMER = re.compile(r"attentions_\d+_norm_weight$")
_ON_THE_WAY = frozenset({"reshape", "transpose", "slice_by_index", "split", "cast"})
"""Operations that leave every number unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    """The values of a function: the type of each, and the operation that computes it."""

    storage: BlobStorage
    makers: Mapping[str, Operation]
    types: Mapping[str, ValueType]

    def constant(self, binding: Binding) -> Array | None:
        """Return an argument that is a number or a few whole numbers; `None` for any other."""
        if isinstance(binding, str):
            maker = self.makers.get(binding)
            if maker is None or maker.type != "const":
                return None
            binding = maker.attributes["val"]
        kind = binding.type
        if is_text(binding) or not isinstance(kind, TensorType):
            return None
        if kind.count > 1 and kind.dtype in _FLOATS:
            return None  # a weight or a table, which the audit checks
        return array(binding, self.storage)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor, 0 for an unknown size; empty for other values."""
        kind = self.types[name]
        return tuple(size or 0 for size in kind.shape) if isinstance(kind, TensorType) else ()

    def maker(self, binding: Binding) -> Operation | None:
        """Return the operation that computes an argument."""
        return self.makers.get(binding) if isinstance(binding, str) else None

    def behind(self, binding: Binding) -> Operation | None:
        """Return the operation that computes an argument, skipping those that only move numbers."""
        found = self.maker(binding)
        while found is not None and found.type in _ON_THE_WAY:
            found = self.maker(found.inputs["x"][0])
        return found

    def factor(self, operation: Operation | None) -> float:
        """Return the number that a multiplication multiplies by; 1 for any other operation."""
        if operation is None or operation.type != "mul":
            return 1.0
        number = self.constant(operation.inputs["y"][0])
        return 1.0 if number is None else float(number.reshape(-1)[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The numbers that the config of a component specifies."""

    component: str
    config: Mapping[str, object]
    options: ProgramOptions

    @property
    def text_or_vision(self) -> Mapping[str, object]:
        """The config of the CLIP model: the component's own, or its `vision_config`."""
        return as_object(self.config.get("vision_config", self.config), "vision_config")

    @property
    def layer_norm(self) -> float:
        """The epsilon of layer norms."""
        return read_field(self.text_or_vision, "layer_norm_eps", float, LAYER_NORM)

    def group_norm(self, scale: str) -> float:
        """Return the epsilon of the group norm whose scale has this name."""
        if self.component in _VAES:
            return AUTOENCODER
        if _TRANSFORMER.search(scale):
            return BEFORE_TRANSFORMER
        return read_field(self.config, "norm_eps", float, DENOISER)

    def factors(self) -> Iterator[float]:
        """Yield the factors that any multiplication may have."""
        if self.text_or_vision.get("hidden_act", "quick_gelu") == "quick_gelu":
            yield QUICK_GELU
        if self.component in _VAES and self.options.runtime_scale:
            yield self.options.runtime_scale / read_field(
                self.config, "scaling_factor", float, OWN_SCALE
            )
        if self.component == "safety_checker":
            yield CAREFUL

    def summands(self) -> Iterator[float]:
        """Yield the summands that any addition may have."""
        if self.component in _VAES:
            shift = self.config.get("shift_factor")
            yield 0.0 if shift is None else from_plain(float, shift, "shift_factor")


def settings_faults(
    function: Function,
    storage: BlobStorage,
    component: str,
    config: Mapping[str, object],
    options: ProgramOptions,
) -> tuple[str, ...]:
    """Return one line for each number of a graph that differs from the module's."""
    operations = function.block.operations
    graph = _Graph(
        storage=storage,
        makers={result.name: item for item in operations for result in item.outputs},
        types=function.types,
    )
    wanted = _Wanted(component=component, config=config, options=options)
    explained = {*_scale_names(graph, operations), *_epsilon_names(graph, operations)}
    faults = [*_group_norms(graph, wanted, operations), *_attention(graph, operations)]
    for operation in operations:
        if operation.is_constant or operation.outputs[0].name in explained:
            continue
        for argument, bindings in operation.inputs.items():
            for binding in bindings:
                number = graph.constant(binding)
                rule = _RULES.get((operation.type, argument), _no_number)
                if number is not None and not rule(number, operation, graph, wanted):
                    shown = " ".join(f"{item:g}" for item in number.reshape(-1)[:4])
                    faults.append(f"{operation.outputs[0].name} has {argument} {shown}")
    return tuple(faults)


Rule = Callable[["Array", Operation, _Graph, _Wanted], bool]


def _no_number(number: Array, *_: object) -> bool:
    """Whether `number` is an integer: integers are shapes, and running the program checks them."""
    return number.dtype.kind != "f"


def _is(number: Array, wanted: float) -> bool:
    """Whether `number` equals the expected one, rounded to `number`'s type."""
    return bool(number.reshape(-1)[0] == number.dtype.type(wanted))


def _layer_norm(number: Array, _: Operation, __: _Graph, wanted: _Wanted) -> bool:
    return _is(number, wanted.layer_norm)


def _negligible(number: Array, *_: object) -> bool:
    return bool(0 <= number.reshape(-1)[0] <= NEGLIGIBLE)


def _one(number: Array, *_: object) -> bool:
    return _is(number, 1)


def _two(number: Array, *_: object) -> bool:
    return _is(number, 2)


def _zero(number: Array, *_: object) -> bool:
    return _no_number(number) or _is(number, 0)


def _features(axes: Array, operation: Operation, graph: _Graph, _: _Wanted) -> bool:
    """Whether a norm is over the features: the one dimension as long as its scale."""
    extents = graph.shape(operation.outputs[0].name)
    gamma = operation.inputs.get("gamma")
    if gamma is None or not isinstance(gamma[0], str):
        return False
    shape = tuple(extents[axis] for axis in axes.reshape(-1).tolist())
    return shape == graph.shape(gamma[0])


def _factor(number: Array, _: Operation, __: _Graph, wanted: _Wanted) -> bool:
    """Whether `number` is an allowed factor, or the float16 rounding error of one."""
    for factor in wanted.factors():
        rounded = number.dtype.type(factor)
        if _is(number, factor) or _is(number, factor - float(rounded)):
            return True
    return _no_number(number)


def _summand(number: Array, _: Operation, __: _Graph, wanted: _Wanted) -> bool:
    return _no_number(number) or any(_is(number, item) for item in wanted.summands())


def _scores(axis: Array, operation: Operation, graph: _Graph, _: _Wanted) -> bool:
    """Whether a softmax is over the keys: last axis of a `matmul`, second of an `einsum`."""
    product = _product(graph, operation)
    last = len(graph.shape(operation.outputs[0].name)) - 1
    keys = 1 if product is not None and product.type == "einsum" else last
    return int(axis.reshape(-1)[0]) in {keys, keys - last - 1}


_RULES: Mapping[tuple[str, str], Rule] = {
    ("add", "y"): _summand,
    ("batch_norm", "epsilon"): _negligible,
    ("greater", "y"): _zero,
    ("layer_norm", "axes"): _features,
    ("layer_norm", "epsilon"): _layer_norm,
    ("mul", "y"): _factor,
    ("softmax", "axis"): _scores,
    ("sub", "x"): lambda number, *_: _no_number(number) or _one(number),
    ("upsample_nearest_neighbor", "scale_factor_height"): _two,
    ("upsample_nearest_neighbor", "scale_factor_width"): _two,
}
"""The rule for a number, by operation and argument.

In other arguments, such as those of `clip`, which no module uses, only whole numbers are allowed.
"""


def _epsilons(graph: _Graph, operations: Iterable[Operation]) -> Iterator[tuple[Operation, Array]]:
    """Yield the additions of a constant under a square root, with the constants."""
    for operation in operations:
        if operation.type == "sqrt":
            sum_ = graph.maker(operation.inputs["x"][0])
            if sum_ is not None and sum_.type == "add":
                number = graph.constant(sum_.inputs["y"][0])
                if number is not None:
                    yield sum_, number


def _epsilon_names(graph: _Graph, operations: Iterable[Operation]) -> Iterator[str]:
    return (sum_.outputs[0].name for sum_, _ in _epsilons(graph, operations))


def _group_norms(graph: _Graph, wanted: _Wanted, operations: Iterable[Operation]) -> Iterator[str]:
    """Yield one line for each group norm with a wrong epsilon.

    A group norm is a division by a root, followed by scale and shift.
    """
    owners: dict[str, str] = {}
    for operation in operations:
        if operation.type == "batch_norm":
            quotient = graph.behind(operation.inputs["x"][0])
            root = graph.maker(quotient.inputs["y"][0]) if quotient is not None else None
            sum_ = graph.maker(root.inputs["x"][0]) if root is not None else None
            if sum_ is not None:
                owners[sum_.outputs[0].name] = str(operation.inputs["gamma"][0])
    for sum_, number in _epsilons(graph, operations):
        name = sum_.outputs[0].name
        epsilon = wanted.group_norm(owners[name]) if name in owners else None
        if epsilon is None or not _is(number, epsilon):
            norm = owners.get(name, name).removesuffix("_weight")
            yield f"{norm} has epsilon {float(number.reshape(-1)[0]):g}"


def _product(graph: _Graph, softmax: Operation) -> Operation | None:
    """Return the product of queries and keys that a softmax takes, skipping a scale and a mask."""
    found = graph.behind(softmax.inputs["x"][0])
    while found is not None and found.type in {"add", "mul"}:
        found = graph.behind(found.inputs["x"][0])
    return found if found is not None and found.type in {"matmul", "einsum"} else None


def _operands(product: Operation) -> tuple[Binding, ...]:
    return product.inputs.get("values") or (product.inputs["x"][0], product.inputs["y"][0])


def _scales(graph: _Graph, softmax: Operation) -> tuple[list[Operation], int] | None:
    """Return the multiplications that scale a softmax's input, and the features of a head."""
    product = _product(graph, softmax)
    if product is None:
        return None
    after = [graph.behind(softmax.inputs["x"][0])]
    while after[-1] is not None and after[-1] is not product:
        after.append(graph.behind(after[-1].inputs["x"][0]))
    operands = _operands(product)
    before = [graph.behind(operand) for operand in operands]
    scales = [item for item in (*after, *before) if item is not None and graph.factor(item) != 1]
    shape = graph.shape(operands[0]) if isinstance(operands[0], str) else ()
    is_einsum = product.type == "einsum"
    return scales, shape[-1 if is_einsum else -2] if len(shape) > 1 else 0


def _scale_names(graph: _Graph, operations: Iterable[Operation]) -> Iterator[str]:
    for softmax in operations:
        found = _scales(graph, softmax) if softmax.type == "softmax" else None
        yield from (item.outputs[0].name for item in found[0]) if found else ()


def _attention(graph: _Graph, operations: Iterable[Operation]) -> Iterator[str]:
    """Yield one line for each attention not scaled by 1 / sqrt(features of a head)."""
    for softmax in operations:
        found = _scales(graph, softmax) if softmax.type == "softmax" else None
        if found is None:
            continue
        scales, features = found
        scale = math.prod(graph.factor(item) for item in scales)
        if not math.isclose(scale, features**-0.5, rel_tol=ROUNDING):
            name = softmax.outputs[0].name
            yield f"{name} scales attention scores by {scale:g}, not {features**-0.5:g}"
