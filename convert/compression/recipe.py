"""How the weights of a program are to shrink: what may be asked, and a file that asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from sdcoreml.convert.compression.palette import BITS
from sdcoreml.ground.errors import UnsupportedError

WHOLE = 16
"""Bits of a weight that stays as it is."""

BLOCKWISE = 9
"""From this specification version on, codes may have 3 bits and groups of channels a palette."""

NEWER_ONLY = 3
"""The width of codes that older systems cannot read."""


class Method(str, Enum):
    """How weights shrink."""

    KMEANS = "kmeans"
    UNIFORM = "uniform"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What becomes of each weight.

    Attributes:
        method: a palette by clustering, one of equal steps, or 8-bit integers with a scale for each
            output channel.
        bits: of a code; 16 leaves weights as they are.
        layers: bits for the weights of single layers, by the constant's name.
        group_size: output channels for each palette; a weight whose channels are no multiple of it
            has one palette, as all have where it is `None`.
    """

    method: Method = Method.KMEANS
    bits: int = 6
    layers: Mapping[str, int] | None = None
    group_size: int | None = None

    def bits_of(self, name: str) -> int:
        """Bits for the weight `name`."""
        return (self.layers or {}).get(name, self.bits)


def palette_bits(specification: int) -> tuple[int, ...]:
    """Widths of a palette's codes that programs of a specification version can hold."""
    return BITS if specification >= BLOCKWISE else tuple(b for b in BITS if b != NEWER_ONLY)


def require_storable(recipe: Recipe, specification: int, where: str) -> None:
    """Raise `UnsupportedError` for what programs of a specification version cannot hold.

    `where` begins the message.
    """
    is_newer = specification >= BLOCKWISE
    allowed = (8,) if recipe.method is Method.LINEAR else palette_bits(specification)
    strange = sorted({recipe.bits, *(recipe.layers or {}).values()} - {*allowed, WHOLE})
    if strange and strange[0] == NEWER_ONLY and recipe.method is not Method.LINEAR:
        raise UnsupportedError(
            "Core ML reads 3-bit codes from macOS 15 on only",
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
            "Core ML reads a palette for each group of channels from macOS 15 on only",
            where=where,
            remedy="add --target macOS15, or leave --group-size out",
        )


def parse_recipe(fields: Mapping[str, Any], component: str = "") -> Recipe:
    """The recipe that a JSON object describes.

    Under `programs` it may have fields for single components, by their names; where those of this
    `component` say nothing, those beside it count. The UNets of one model have one recipe.

    Raises:
        UnsupportedError: a field or a method that does not exist, for whatever component.
    """
    programs = fields.get("programs", {})
    common = {name: value for name, value in fields.items() if name != "programs"}
    recipes = {name: _parsed({**common, **own}) for name, own in programs.items()}
    return recipes.get(_LIKE.get(component, component)) or _parsed(common)


_LIKE: Mapping[str, str] = {"controlled_unet": "unet"}


def _parsed(fields: Mapping[str, Any]) -> Recipe:
    known = Recipe.__dataclass_fields__
    if strange := sorted(set(fields) - set(known)):
        raise UnsupportedError(
            f"recipe: {', '.join(strange)} unknown", remedy=f"known: {', '.join(known)}"
        )
    try:
        method = Method(fields.get("method", Method.KMEANS))
    except ValueError:
        choices = ", ".join(member.value for member in Method)
        raise UnsupportedError(
            f"recipe: method is not {fields['method']!r}", remedy=f"choose {choices}"
        ) from None
    recipe = replace(Recipe(**fields), method=method)
    _require_groups(recipe)
    return recipe


def _require_groups(recipe: Recipe) -> None:
    size = recipe.group_size
    if size is None:
        return
    if type(size) is not int or size < 1:
        raise UnsupportedError(
            f"recipe: group_size is {size!r}", remedy="it counts output channels, as 16 or 32 do"
        )
    if recipe.method is Method.LINEAR:
        raise UnsupportedError(
            "recipe: linear has a scale for each channel and no palette",
            remedy="leave the group size out",
        )
