"""Imports coremltools, which tests compare with, without the libraries that it does not need.

Importing coremltools imports torch, scikit-learn and TensorFlow wherever they are installed: 4 to
10 s and 400 MB for frontends that nothing here calls. These libraries are hidden during the import,
unless they are already imported.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from collections.abc import Iterator
from types import ModuleType

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


@functools.cache
def import_coremltools() -> None:
    """Import coremltools once per process, in about a second."""
    with _hidden(UNNEEDED), _quiet():
        import coremltools  # noqa: F401  what is wanted of it is imported by the caller


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
