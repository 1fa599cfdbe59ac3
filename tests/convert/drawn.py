"""Programs that are drawn but not written yet, made from text and told as text."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sdcoreml.convert.compile.text import write
from sdcoreml.convert.compression.forms import Codes, Integers
from sdcoreml.convert.programs.payload import (
    ComputedConstant,
    DrawnProgram,
    Payload,
    RecordSource,
    Weight,
    lay_out,
)
from sdcoreml.convert.spec.model import (
    DataType,
    Description,
    Feature,
    Function,
    Metadata,
    Model,
    Program,
    TensorType,
)
from tests.convert.certificates.graphs import ports

_SHORT = 64
"""The most numbers of an array that are told."""

Records = Mapping[str, tuple[tuple[int, ...], RecordSource]]


def record(name: str, shape: tuple[int, ...], place: int) -> str:
    """Return the line of a float16 constant in the weight file."""
    sizes = ", ".join(map(str, shape))
    kind = f"tensor<fp16, [{sizes}]>"
    blob = f'BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64({place}))'
    return f'{kind} {name} = const()[name = string("{name}"), val = {kind}({blob})]'


def lay(records: Records, dtype: DataType = DataType.FLOAT16) -> tuple[Payload, ...]:
    """Return records in the order of a weight file."""
    return lay_out(
        (name, TensorType(dtype=dtype, shape=shape), source)
        for name, (shape, source) in records.items()
    )


def lines_of(payloads: tuple[Payload, ...]) -> list[str]:
    """Return the lines of the constants that are in the weight file."""
    return [
        record(one.name, tuple(size or 0 for size in one.type.shape), one.offset)
        for one in payloads
    ]


def drawn(
    function: Function, payloads: tuple[Payload, ...], specification: int = 7
) -> DrawnProgram:
    """Return a program whose description declares what the function has."""
    results = {one.name: one for item in function.block.operations for one in item.outputs}
    described = Description(
        inputs=ports(function.inputs),
        outputs=ports(results[name] for name in function.block.outputs),
        metadata=Metadata(author="us", user_defined={"a": "b"}),
    )
    model = Model(
        specification_version=specification,
        description=described,
        program=Program(version=1, functions={"main": function}),
    )
    count = sum(one.type.count for one in payloads if isinstance(one.source, Weight))
    return DrawnProgram(component="unet", model=model, payloads=payloads, parameters=count)


def tell(built: DrawnProgram) -> str:
    """Return all that a drawn program is, as text."""
    model = built.model
    return "\n".join(
        (
            f"{built.component}, specification {model.specification_version}",
            f"{built.parameters} parameters, {dict(model.description.metadata.user_defined)}",
            *(f"takes {_tell_port(one)}" for one in model.description.inputs),
            *(f"gives {_tell_port(one)}" for one in model.description.outputs),
            *(_tell_record(one) for one in built.payloads),
            write(model.program, "1.3"),
            "",
        )
    )


def _tell_port(one: Feature) -> str:
    dtype = one.dtype.name if one.dtype else one.kind
    return f"{one.name} {dtype} {list(one.shape)} {one.description}".rstrip()


def _tell_record(one: Payload) -> str:
    match one.source:
        case Weight(tensor=tensor):
            told = f"the tensor {tensor}"
        case Codes(source=Weight(tensor=tensor), palettes=palettes, bits=bits, each=each):
            told = f"codes of {tensor}, {bits} bits, {each} of them with each of {_list(palettes)}"
        case Integers(source=Weight(tensor=tensor), scale=scale):
            told = f"integers of {tensor} with {_list(scale)}"
        case ComputedConstant(array=array):
            told = _list(array)
    return f"at {one.offset} {one.name} {one.type.dtype.name} {list(one.type.shape)}: {told}"


def _list(array: np.ndarray) -> str:
    return f"{array.dtype} {array.tolist() if array.size <= _SHORT else list(array.shape)}"
