"""Recipes for compressing a program's weights, and their JSON files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sdcoreml.convert.compression.palette import BITS
from sdcoreml.ground.codec import DecodeError, as_object, from_plain
from sdcoreml.ground.errors import UnsupportedError

WHOLE = 16
"""The number of bits of an uncompressed weight."""

BLOCKWISE = 9
"""The first specification version that has 3-bit codes, and a palette per group of channels."""

NEWER_ONLY = 3
"""The one code width, in bits, that systems before macOS 15 and iOS 18 cannot read."""


class Method(str, Enum):
    """How weights are compressed: k-means palettes, uniform palettes, or 8-bit integers."""

    KMEANS = "kmeans"
    UNIFORM = "uniform"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How each weight is compressed.

    Attributes:
        method: a palette from k-means, a uniform palette, or 8-bit integers with a scale for each
            output channel.
        bits: width of each code; 16 leaves weights uncompressed.
        layers: maps the names of constants to `bits` for the weights of single layers.
        group_size: number of output channels per palette. If it is `None`, or the number of
            channels is not a multiple of it, a weight has one palette.
    """

    method: Method = Method.KMEANS
    bits: int = 6
    layers: Mapping[str, int] | None = None
    group_size: int | None = None

    def bits_of(self, name: str) -> int:
        """Return the number of bits for the weight `name`."""
        return (self.layers or {}).get(name, self.bits)


def palette_bits(specification: int) -> tuple[int, ...]:
    """Return the widths of palette codes that a specification version supports."""
    return BITS if specification >= BLOCKWISE else tuple(b for b in BITS if b != NEWER_ONLY)


def require_storable(recipe: Recipe, specification: int, where: str) -> None:
    """Raise `UnsupportedError` for a recipe that a specification version does not support.

    `where` is what the error is about, such as the program.
    """
    is_newer = specification >= BLOCKWISE
    allowed = (8,) if recipe.method is Method.LINEAR else palette_bits(specification)
    strange = sorted({recipe.bits, *(recipe.layers or {}).values()} - {*allowed, WHOLE})
    if strange and strange[0] == NEWER_ONLY and recipe.method is not Method.LINEAR:
        raise UnsupportedError(
            "Core ML reads 3-bit codes only on macOS 15 and later",
            where=where,
            remedy=f"add --target macOS15, or choose {', '.join(map(str, allowed))} bits",
        )
    if strange:
        raise UnsupportedError(
            f"{recipe.method.value} with {strange[0]} bits cannot be stored",
            where=where,
            remedy=f"choose {', '.join(map(str, allowed))}",
        )
    if recipe.group_size is not None and not is_newer:
        raise UnsupportedError(
            "Core ML reads a palette for each group of channels only on macOS 15 and later",
            where=where,
            remedy="add --target macOS15, or leave --group-size out",
        )


def parse_recipe(fields: Mapping[str, object], component: str = "") -> Recipe:
    """Parse the recipe for a component from a JSON object.

    The object's field `programs` can map components to fields of their own. A field that is missing
    there is taken from the top level. `controlled_unet` shares the recipe of `unet`.

    Raises:
        UnsupportedError: a field or a method does not exist, even if for another component.
    """
    programs = as_object(fields.get("programs", {}), "recipe.programs")
    common = {name: value for name, value in fields.items() if name != "programs"}
    recipes = {
        name: _parse_fields({**common, **as_object(own, f"recipe.programs.{name}")})
        for name, own in programs.items()
    }
    return recipes.get(_LIKE.get(component, component)) or _parse_fields(common)


_LIKE: Mapping[str, str] = {"controlled_unet": "unet"}


def _parse_fields(fields: Mapping[str, object]) -> Recipe:
    try:
        recipe = from_plain(Recipe, fields, "recipe")
    except DecodeError as error:
        known = ", ".join(Recipe.__dataclass_fields__)
        raise UnsupportedError(f"{error}", remedy=f"the fields are {known}") from None
    _require_groups(recipe)
    return recipe


def _require_groups(recipe: Recipe) -> None:
    size = recipe.group_size
    if size is None:
        return
    if size < 1:
        raise UnsupportedError(
            f"recipe: group_size is {size!r}", remedy="give a number of output channels, such as 16"
        )
    if recipe.method is Method.LINEAR:
        raise UnsupportedError(
            "recipe: the method linear has no palettes, so group_size does not apply",
            remedy="leave the group size out",
        )
