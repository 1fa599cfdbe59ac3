from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.convert.proof.audit import Audit
from sdcoreml.convert.proof.audited import Remembered
from sdcoreml.convert.spec.model import (
    Blob,
    Block,
    DataType,
    Elements,
    Function,
    NamedType,
    Operation,
    TensorType,
    Value,
)

AUDIT = Audit(sources={"w": ("weight",)}, extras={}, elements=16)


class Memory(dict[str, Audit]):
    """Audits in memory."""

    def find(self, key: str) -> Audit | None:
        return self.get(key)

    def keep(self, key: str, audit: Audit) -> None:
        self[key] = audit


def function(side: int = 64, offset: int = 64, dtype: DataType = DataType.FLOAT16) -> Function:
    """Return a function with a weight, for an image of any size."""
    kind = TensorType(dtype=dtype, shape=(4, 4))
    weight = Value(type=kind, data=Blob(path="weight.bin", offset=offset))
    constant = Operation(
        type="const",
        inputs={},
        outputs=(NamedType(name="w", type=kind),),
        attributes={"val": weight},
    )
    image = TensorType(dtype=DataType.FLOAT16, shape=(1, 4, side, side))
    sizes = Value(
        type=TensorType(dtype=DataType.INT32, shape=(2,)), data=Elements(values=(side, side))
    )
    shape = Operation(
        type="reshape",
        inputs={"x": ("x",), "shape": (sizes,)},
        outputs=(NamedType(name="y", type=image),),
        attributes={},
    )
    block = Block(operations=(constant, shape), outputs=("y",))
    port = NamedType(name="x", type=image)
    return Function(inputs=(port,), opset="CoreML6", blocks={"CoreML6": block})


def test_an_audit_counts_for_programs_of_all_sizes() -> None:
    known = Remembered(audits=Memory(), content="files")
    known.keep(function(), (), (), AUDIT)
    assert known.find(function(side=96), (), ()) == AUDIT


@pytest.mark.parametrize(
    "other", [function(offset=128), function(dtype=DataType.FLOAT32)], ids=["place", "type"]
)
def test_other_constants_are_audited(other: Function) -> None:
    known = Remembered(audits=Memory(), content="files")
    known.keep(function(), (), (), AUDIT)
    assert known.find(other, (), ()) is None


def test_other_files_or_tensors_are_audited() -> None:
    known = Remembered(audits=Memory(), content="files")
    known.keep(function(), ("decoder.",), (), AUDIT)
    assert replace(known, content="others").find(function(), ("decoder.",), ()) is None
    assert known.find(function(), ("encoder.",), ()) is None
    assert known.find(function(), ("decoder.",), ("encoder.",)) is None


def test_an_audit_with_faults_is_not_remembered() -> None:
    memory = Memory()
    faulty = replace(AUDIT, missing=("bias",))
    Remembered(audits=memory, content="files").keep(function(), (), (), faulty)
    assert memory == {}


def test_an_audit_with_faults_that_is_found_nevertheless_is_made_again() -> None:
    memory = Memory()
    known = Remembered(audits=memory, content="files")
    known.keep(function(), (), (), AUDIT)
    (key,) = memory
    memory[key] = replace(AUDIT, missing=("bias",))
    assert known.find(function(), (), ()) is None
