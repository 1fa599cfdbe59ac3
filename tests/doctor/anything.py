"""Derives a hypothesis strategy for arbitrary facts from the type annotations of the facts."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from sdcoreml.doctor.core.facts import Facts

WORDS = st.sampled_from(
    [
        *("", "macOS", "Linux", "macos-arm64", "3.10.10", "7.2", "99", "1.0.dev", "rc", "not one"),
        *("unet", "vae", "text_encoder", "Unet", "UnetChunk1", "VAEEncoder", "TextEncoder2"),
        *("coremltools", "torch", "numpy", "python", "diffusers", "sample", "time_ids", "z", "x"),
        *("missing", "diffusers-folder", "single-file", "lfs-pointer", "pickle", "safetensors"),
        *("SPLIT_EINSUM", "SPLIT_EINSUM_V2", "/", "/models/a b", "a/b", "https://u:p@x/y.git"),
        *("build", "base", "parameter", "Float16", ".mlpackage", ".mlmodelc", "fp16", "\udcff"),
    ]
)
TEXT = WORDS | st.text(max_size=12)
NUMBERS = st.sampled_from([0, 1, -1, 4, 64, 512, 77, 10**9, 10**12]) | st.integers(-(2**40), 2**40)
ROLES = ("output", "environments", "packages", "temporary", "hub")


def anything(kind: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Return a strategy for values of the type `kind`; `name` is the field that has it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of(*(anything(one, name if get_origin(one) else "") for one in arguments))
    if name == "volumes" and arguments:
        values = anything(arguments[1])
        return st.fixed_dictionaries(dict.fromkeys(ROLES, values))
    if origin is tuple:
        return st.lists(anything(arguments[0]), max_size=3).map(tuple)
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(TEXT, anything(arguments[1]), max_size=4)
    if is_dataclass(kind):
        return whole(kind)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXT,
        int: NUMBERS,
        bool: st.booleans(),
        float: st.floats(allow_nan=False, allow_infinity=False),
        type(None): st.none(),
    }
    return plain[kind]


def whole(kind: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    return st.builds(
        kind, **{one.name: anything(hints[one.name], one.name) for one in fields(kind)}
    )


FACTS: st.SearchStrategy[Facts] = st.deferred(lambda: whole(Facts))
