"""The names of types and opsets in the text of a compiled program."""

from __future__ import annotations

from collections.abc import Mapping

from sdcoreml.convert.spec.model import DataType

DTYPES: Mapping[DataType, str] = {
    DataType.BOOL: "bool",
    DataType.STRING: "string",
    DataType.FLOAT16: "fp16",
    DataType.FLOAT32: "fp32",
    DataType.FLOAT64: "fp64",
    DataType.INT8: "int8",
    DataType.INT16: "int16",
    DataType.INT32: "int32",
    DataType.INT64: "int64",
    DataType.UINT8: "uint8",
    DataType.UINT16: "uint16",
    DataType.UINT32: "uint32",
    DataType.UINT64: "uint64",
    DataType.INT4: "int4",
    DataType.UINT1: "uint1",
    DataType.UINT2: "uint2",
    DataType.UINT3: "uint3",
    DataType.UINT4: "uint4",
    DataType.UINT6: "uint6",
}
"""Names of element types. Those of types under 8 bits are guesses: no file of Apple's has any."""

BY_NAME: Mapping[str, DataType] = {name: dtype for dtype, name in DTYPES.items()}

OPSETS: Mapping[str, str] = {
    "CoreML5": "ios15",
    "CoreML6": "ios16",
    "CoreML7": "ios17",
    "CoreML8": "ios18",
}
"""Maps a function's opset in the specification to its name in the text."""

BY_OPSET: Mapping[str, str] = {name: opset for opset, name in OPSETS.items()}

TEXT_VERSIONS: Mapping[int, str] = {6: "1.0", 7: "1.0", 8: "1.0", 9: "1.3"}
"""Maps a model's specification version (not its opset) to the version of the text."""

BARE_SCALARS = "1.3"
"""The text version that writes the type of a scalar as `fp16`, not as `tensor<fp16, []>`."""
