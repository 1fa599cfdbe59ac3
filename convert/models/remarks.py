"""Notes on a model's components that are not faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sdcoreml.convert.models.skeleton import find_strangers

if TYPE_CHECKING:
    from sdcoreml.convert.models.layout import Component

PLACES = 77
"""CLIP's longest text, with its start and end: what the apps send."""

_SHOWN = 4
"""The most tensors that a remark names."""


def describe_components(components: Mapping[str, Component]) -> tuple[str, ...]:
    """The remarks on the components of one model."""
    notes = [
        note
        for component in components.values()
        for note in (*_strangers_of(component), *_places_of(component))
    ]
    variants = {name: component.variant for name, component in components.items()}
    if len(set(variants.values())) > 1:
        said = ", ".join(f"{name}: {variant or 'plain'}" for name, variant in variants.items())
        notes.append(f"components of different variants ({said}); each is taken as it is")
    return tuple(notes)


def _places_of(component: Component) -> Iterator[str]:
    """An encoder of longer texts, such as LongCLIP: the apps split prompts to CLIP's own length."""
    places = component.config.get("max_position_embeddings", PLACES)
    if component.kind.startswith("CLIPText") and isinstance(places, int) and places > PLACES:
        yield f"{component.name}: has {places} places for words, of which the apps use {PLACES}"


def _strangers_of(component: Component) -> Iterator[str]:
    """What is left aside as the pinned libraries do, position ids apart, which all files had."""
    tensors = component.checkpoint.tensors if component.checkpoint else ()
    names = [tensor.name for tensor in tensors if not tensor.name.endswith("position_ids")]
    if found := find_strangers(component.kind, component.config, names):
        named = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        yield f"{component.name}: its class has no place for {named}: left aside"
