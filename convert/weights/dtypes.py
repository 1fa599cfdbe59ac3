"""Element types: safetensors names, sizes, order in a file, and their names in other libraries."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SIZES: Mapping[str, int] = MappingProxyType(
    {
        "BOOL": 1,
        "U8": 1,
        "I8": 1,
        "F8_E5M2": 1,
        "F8_E4M3": 1,
        "F8_E8M0": 1,
        "I16": 2,
        "U16": 2,
        "F16": 2,
        "BF16": 2,
        "I32": 4,
        "U32": 4,
        "F32": 4,
        "C64": 8,
        "F64": 8,
        "I64": 8,
        "U64": 8,
    }
)
"""Bytes per element, in the order of the reference implementation's `Dtype` enumeration.

That implementation sorts the tensors of a file by this order, the last type first, then by name.
"""

RANKS: Mapping[str, int] = MappingProxyType({name: rank for rank, name in enumerate(SIZES)})

FLOATS8 = frozenset({"F8_E4M3", "F8_E5M2"})
"""8-bit floats: tensors of these types can be cast to others, but no tensor to these."""

FLOATS = frozenset({"F64", "F32", "F16", "BF16"}) | FLOATS8
"""Types whose tensors can be cast to another type. Tensors of other types keep their type."""

STORAGES: Mapping[str, str | None] = MappingProxyType(
    {
        "FloatStorage": "F32",
        "DoubleStorage": "F64",
        "HalfStorage": "F16",
        "BFloat16Storage": "BF16",
        "LongStorage": "I64",
        "IntStorage": "I32",
        "ShortStorage": "I16",
        "CharStorage": "I8",
        "ByteStorage": "U8",
        "BoolStorage": "BOOL",
        "ComplexFloatStorage": "C64",
        "UntypedStorage": None,
    }
)
"""Maps `torch.<storage class>` to the element type; `None` if each tensor states its own type."""

TORCH: Mapping[str, str] = MappingProxyType(
    {
        "float32": "F32",
        "float64": "F64",
        "float16": "F16",
        "bfloat16": "BF16",
        "int64": "I64",
        "int32": "I32",
        "int16": "I16",
        "int8": "I8",
        "uint8": "U8",
        "uint16": "U16",
        "uint32": "U32",
        "uint64": "U64",
        "bool": "BOOL",
        "complex64": "C64",
        "float8_e4m3fn": "F8_E4M3",
        "float8_e5m2": "F8_E5M2",
    }
)
"""Maps `torch.<dtype>` to the element type."""

NUMPY: Mapping[str, str] = MappingProxyType(
    {
        "BOOL": "|b1",
        "U8": "|u1",
        "I8": "|i1",
        "I16": "<i2",
        "U16": "<u2",
        "F16": "<f2",
        "I32": "<i4",
        "U32": "<u4",
        "F32": "<f4",
        "C64": "<c8",
        "F64": "<f8",
        "I64": "<i8",
        "U64": "<u8",
    }
)
"""numpy's type strings. numpy has neither BF16 nor 8-bit floats."""
