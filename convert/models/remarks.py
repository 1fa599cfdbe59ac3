"""Notes on a model's components that are not faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sdcoreml.convert.models.skeleton import find_strangers

if TYPE_CHECKING:
    from sdcoreml.convert.models.layout import Component

PLACES = 77
"""The number of tokens, start and end included, that CLIP takes at most and apps always send."""

_SHOWN = 4
"""The most tensors that a note names."""


def describe_components(components: Mapping[str, Component]) -> tuple[str, ...]:
    """Return the notes on the components of one model."""
    notes = [
        note
        for component in components.values()
        for note in (*_strangers_of(component), *_places_of(component))
    ]
    variants = {name: component.variant for name, component in components.items()}
    if len(set(variants.values())) > 1:
        said = ", ".join(f"{name}: {variant or 'plain'}" for name, variant in variants.items())
        notes.append(f"components of different variants ({said}); each is used in its own variant")
    return tuple(notes)


def _places_of(component: Component) -> Iterator[str]:
    """Yield a note if the text encoder takes more tokens than apps send, as LongCLIP does."""
    places = component.config.get("max_position_embeddings", PLACES)
    if component.kind.startswith("CLIPText") and isinstance(places, int) and places > PLACES:
        yield f"{component.name}: takes up to {places} tokens, of which the apps use {PLACES}"


def _strangers_of(component: Component) -> Iterator[str]:
    """Yield a note on tensors that the pinned libraries ignore, apart from position ids."""
    tensors = component.checkpoint.tensors if component.checkpoint else ()
    names = [tensor.name for tensor in tensors if not tensor.name.endswith("position_ids")]
    if found := find_strangers(component.kind, component.config, names):
        named = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        yield f"{component.name}: its class does not have {named}: ignored"
