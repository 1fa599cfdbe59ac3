"""Constants of a graph; what it becomes as a program is tested in `tests/inside`."""

from __future__ import annotations

import numpy as np
import pytest

from sdcoreml.convert.programs.graph import Graph, port
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.spec.model import DataType

X = port("x", DataType.FLOAT16, (1, 2000), "x")


def test_an_array_is_no_plain_value() -> None:
    """Long arrays that differ in the middle are abbreviated to the same text."""
    g = Graph((X,), ProgramOptions())
    with pytest.raises(ValueError, match="table"):
        g.emit("add", x=g.inputs["x"], y=np.zeros(2000, np.float16))


def test_tables_that_differ_in_one_number_are_two() -> None:
    g = Graph((X,), ProgramOptions())
    array = np.zeros(2000, np.float16)
    first = g.table(array, "t")
    array = array.copy()
    array[1000] = 1
    assert g.table(array, "t") is not first
    assert g.table(array.copy(), "t").name == "t_1"
