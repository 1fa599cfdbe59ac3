"""Groups the layers of a program by the block of the network that they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_BLOCK = re.compile(r"mid_block|\w+?(?:blocks|layers)_\d+")
_NUMBER = re.compile(r"(\d+)")

OTHER = "others"
"""The group of layers that are in no block: the first and the last, and those of the time step."""


def group_layers(names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Map each block to the names of its layers, in the order in which people count."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=_counted):
        found = _BLOCK.match(name)
        groups.setdefault(found[0] if found else OTHER, []).append(name)
    others = {name: groups.pop(name) for name in (OTHER,) if name in groups}
    return {block: tuple(layers) for block, layers in {**groups, **others}.items()}


def _counted(name: str) -> tuple[tuple[str, int], ...]:
    """Return what to sort a name by, so that layer 10 comes after layer 9."""
    parts = _NUMBER.split(name)
    numbers = (*(int(part[:_DIGITS]) for part in parts[1::2]), 0)
    return tuple(zip(parts[::2], numbers, strict=True))


_DIGITS = 18
