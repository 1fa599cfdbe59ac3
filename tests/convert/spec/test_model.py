"""What a function says of itself, worked out of its parts."""

from __future__ import annotations

import pytest

from sdcoreml.convert.spec.model import (
    Block,
    DataType,
    Elements,
    Function,
    ListType,
    NamedType,
    Operation,
    TensorType,
    Value,
    free_name,
)
from sdcoreml.ground.errors import UnsupportedError


def tensor(name: str, *shape: int | None, dtype: DataType = DataType.FLOAT32) -> NamedType:
    return NamedType(name=name, type=TensorType(dtype=dtype, shape=shape))


LIST = NamedType(name="words", type=ListType(element=TensorType(dtype=DataType.STRING)))
ADD = Operation(type="add", inputs={"x": ("x",), "y": ("c",)}, outputs=(tensor("sum", 2),))
OTHER = Block(operations=(), outputs=())
FUNCTION = Function(
    inputs=(tensor("x", 2, None, 3), tensor("scalar"), LIST),
    opset="CoreML6",
    blocks={"CoreML5": OTHER, "CoreML6": Block(operations=(ADD,), outputs=("sum",))},
)


def test_the_block_of_its_own_opset_is_the_one_in_use() -> None:
    assert FUNCTION.block.outputs == ("sum",)
    assert FUNCTION.types == {
        "x": TensorType(dtype=DataType.FLOAT32, shape=(2, None, 3)),
        "scalar": TensorType(dtype=DataType.FLOAT32),
        "words": LIST.type,
        "sum": TensorType(dtype=DataType.FLOAT32, shape=(2,)),
    }


def test_only_tensors_have_shapes_and_any_size_is_one() -> None:
    assert FUNCTION.input_shapes == {"x": (2, 1, 3), "scalar": ()}


def test_other_operations_leave_one_block_with_the_same_outputs() -> None:
    changed = FUNCTION.with_operations(iter([ADD, ADD]))
    assert changed.blocks == {"CoreML6": Block(operations=(ADD, ADD), outputs=("sum",))}
    assert changed.inputs == FUNCTION.inputs


@pytest.mark.parametrize(("shape", "count"), [((), 1), ((2, 3), 6), ((2, None), 0), ((0, 2), 0)])
def test_elements_are_counted_where_all_sizes_are_known(
    shape: tuple[int | None, ...], count: int
) -> None:
    assert TensorType(dtype=DataType.FLOAT16, shape=shape).count == count


def test_what_is_no_tensor_is_refused_by_name() -> None:
    assert tensor("x", 2).tensor.shape == (2,)
    with pytest.raises(UnsupportedError, match=r"^words is not a tensor"):
        _ = LIST.tensor


def test_constants_lie_in_attributes_and_arguments() -> None:
    first, second = (Value(type=LIST.type, data=Elements(values=(n,))) for n in (1, 2))
    held = Operation(
        type="gather",
        inputs={"x": ("table",), "many": ("a", second)},
        outputs=(),
        attributes={"name": first, "val": second},
    )
    assert list(held.reads) == ["table", "a"]
    assert list(held.constants) == [first, second, second]
    assert held.arguments == {"val": (second,), "x": ("table",), "many": ("a", second)}


@pytest.mark.parametrize(
    ("kind", "constant", "compressed"),
    [("const", True, False), ("constexpr_lut_to_dense", True, True), ("conv", False, False)],
)
def test_a_compressed_constant_is_one(kind: str, *, constant: bool, compressed: bool) -> None:
    made = Operation(type=kind, inputs={}, outputs=())
    assert (made.is_constant, made.is_compressed) == (constant, compressed)


def test_a_free_name_has_as_many_underscores_as_it_needs() -> None:
    assert free_name("x", {"x", "x_", "y"}) == "x__"
    assert free_name("z", {"x"}) == "z"
