"""Imports coremltools' MIL builder without the libraries that it does not need.

Importing coremltools imports torch, scikit-learn and TensorFlow wherever they are installed: 4 to
10 s and 400 MB for frontends that nothing here calls. These libraries are hidden during the import,
unless they are already imported.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, TypeAlias

from sdcoreml.convert.programs.options import Target
from sdcoreml.convert.spec.model import DataType

UNNEEDED = (
    "libsvm",
    "pandas",
    "scipy",
    "sklearn",
    "tensorflow",
    "torch",
    "transformers",
    "xgboost",
)


MilOp: TypeAlias = Any
"""An operation, value or dtype of coremltools, which has no type annotations."""

Plain: TypeAlias = Any
"""A plain value that becomes a constant: number, string, list of numbers, numpy scalar or array."""


class Var(Protocol):
    """A value of the program under construction."""

    name: str
    shape: tuple[int, ...]
    dtype: MilOp

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolkit:
    """The parts of coremltools with which a graph is built."""

    builder: MilOp
    function: MilOp
    targets: MilOp
    version: str
    var: type
    dtypes: Mapping[DataType, MilOp]

    def opset(self, target: Target) -> MilOp:
        """Return the operator set for `target`; if the builder lacks it, the newest that it has.

        From macOS 14 on, programs built here differ only in the label that `Target` gives them, so
        every version of coremltools gives the same bytes.
        """
        known = [member.ios for member in Target if hasattr(self.targets, member.ios)]
        return getattr(self.targets, target.ios if target.ios in known else known[-1])


@functools.cache
def toolkit() -> Toolkit:
    """Import coremltools once per process, in about a second."""
    with _hidden(UNNEEDED), _quiet():
        import coremltools
        from coremltools.converters.mil import Builder
        from coremltools.converters.mil.mil import Function, Var, types

    return Toolkit(
        builder=Builder,
        function=Function,
        targets=coremltools.target,
        version=coremltools.__version__,
        var=Var,
        dtypes={
            DataType.BOOL: types.bool,
            DataType.STRING: types.str,
            DataType.FLOAT16: types.fp16,
            DataType.FLOAT32: types.fp32,
            DataType.INT32: types.int32,
        },
    )


@contextlib.contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Make imports of these modules fail within the block, unless they are imported already."""
    absent = [name for name in names if name not in sys.modules]
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for name in absent:
            modules.pop(name, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings about missing Apple frameworks on other systems."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
