"""Compares the options that a manifest states for a certified program with its certificate's.

A certificate's key covers the graph, not the words for it: without this, a folder could be called
one of another attention, size or target. A program that was run is compared with the graph that is
drawn for its options instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sdcoreml.convert.bundle.contract import HALVED
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.jobs.manifest import ProgramEntry
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.programs.options import Attention, parse_options

_NETS = (*HALVED, CONTROLNET)
_SIZED = (*_NETS, "vae_decoder", "vae_encoder")
TOKENS = 77
"""The length of a prompt that a UNet is built for, unless its options say another."""

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
    pairs: Mapping[str, tuple[object, object]] = {"target": (said.target, found.target)}
    if entry.component in _SIZED:
        pairs = {
            **pairs,
            "height": (said.height, found.height),
            "width": (said.width, found.width),
        }
    if entry.component in _NETS:
        pairs = {
            **pairs,
            "batch": (said.batch, found.batch),
            "tokens": (said.tokens or TOKENS, found.tokens or TOKENS),
        }
        if not {said.attention, found.attention} <= _ALIKE:
            pairs = {**pairs, "attention": (said.attention, found.attention)}
    for name, (stated, real) in pairs.items():
        if stated != real:
            yield f"its graph is certified with {name} {_word(real)}, and it says {_word(stated)}"


def _word(value: object) -> object:
    return value.value if hasattr(value, "value") else value
