"""How the weights of a program are to shrink: what may be asked, and a file that asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from convert.errors import UnsupportedError

WHOLE = 16
"""Bits of a weight that stays as it is."""


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
    """

    method: Method = Method.KMEANS
    bits: int = 6
    layers: Mapping[str, int] | None = None

    def bits_of(self, name: str) -> int:
        """Bits for the weight `name`."""
        return (self.layers or {}).get(name, self.bits)


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
        raise UnsupportedError(f"recipe: {', '.join(strange)} unknown; known: {', '.join(known)}")
    try:
        method = Method(fields.get("method", Method.KMEANS))
    except ValueError:
        choices = ", ".join(member.value for member in Method)
        raise UnsupportedError(
            f"recipe: method is not {fields['method']!r}; choose {choices}"
        ) from None
    return replace(Recipe(**fields), method=method)
