"""Stands in for coremltools where there is no Core ML: its programs answer by our interpreter.

Tests put the folder above this package first on a child's path. `FAULT` in the child's environment
says what goes wrong, and in which program: `crash:Unet`.
"""

from __future__ import annotations

from enum import Enum

__version__ = "9.0"


class ComputeUnit(Enum):
    """The units, as coremltools names them."""

    ALL = 1
    CPU_AND_GPU = 2
    CPU_ONLY = 3
    CPU_AND_NE = 4
