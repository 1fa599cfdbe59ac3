"""Compares the options that a manifest states for a certified program with its certificate's.

A certificate's key covers the graph, not the words for it: without this, a folder could be called
one of another attention, size or target. A program that was run is compared with the graph that is
drawn for its options instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from sdcoreml.convert.bundle.contract import HALVED
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.jobs.manifest import ProgramEntry
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.programs.options import DEFAULT_TOKENS, Attention, parse_options

_NETS = (*HALVED, CONTROLNET)
_SIZED = (*_NETS, "vae_decoder", "vae_encoder")
_USUAL = {"tokens": DEFAULT_TOKENS}
_ALIKE = frozenset({Attention.SPLIT_EINSUM, Attention.SPLIT_EINSUM_V2})
"""For a small image, these give one graph: its queries fit into one piece."""


def false_options(entry: ProgramEntry, certificate: Certificate) -> Iterator[str]:
    """Yield each option that a program's entry states and its certified graph contradicts.

    Only options that decide the graph of such a program are compared: a text encoder has the same
    for every attention.
    """
    if not certificate.options:  # an older certificate does not say them
        return
    said, found = entry.options, parse_options(certificate.options)
    for name in _decisive(entry.component, {said.attention, found.attention}):
        stated, real = (getattr(one, name) or _USUAL.get(name) for one in (said, found))
        if stated != real:
            yield f"its graph is certified with {name} {_word(real)}, and it says {_word(stated)}"


def _decisive(component: str, attentions: set[Attention]) -> Iterator[str]:
    """Yield the options that decide the graph of a component, given the attentions to compare."""
    yield "target"
    if component in _SIZED:
        yield from ("height", "width")
    if component in _NETS:
        yield from ("batch", "tokens")
        if not attentions <= _ALIKE:
            yield "attention"


def _word(value: object) -> object:
    return value.value if hasattr(value, "value") else value
