"""Restores the token ids that a text encoder was trained on from those that apps send.

`TextEncoder` of Apple's Swift package pads a prompt with the end token (id 49407; for SDXL's second
encoder, with 0). It truncates a long prompt so that no end token is left, and it sends 49407 in the
middle of a prompt for a character that is not in the vocabulary. So the first end token need not be
the end. (Observed in Apple's package at c891f43 and e12202c, compiled and run.) The ids that
diffusers would send follow from the last id that is neither end token nor padding.
"""

from __future__ import annotations

from collections.abc import Sequence

END = 49407
"""CLIP's end token, `<|endoftext|>`."""

SECOND_PAD = 0
"""The token that apps pad prompts of SDXL's second text encoder with; for others, it is `END`."""


def restore_prompt(
    ids: Sequence[int], *, end: int, app_pad: int, pad: int
) -> tuple[tuple[int, ...], int]:
    """Return the ids as in the model's training, and the position of their end token.

    Args:
        ids: the ids as an app sends them, the begin token first.
        end: the end token.
        app_pad: the token that the app pads with.
        pad: the token that the model was trained with after the end token.
    """
    last = max((place for place, one in enumerate(ids) if one not in {end, app_pad}), default=0)
    stop = min(last + 1, len(ids) - 1)
    return (*ids[:stop], end, *[pad] * (len(ids) - stop - 1)), stop
