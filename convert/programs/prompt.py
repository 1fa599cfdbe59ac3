"""How a text encoder has to read the token ids that Apple's Swift package sends.

Swift's `TextEncoder` pads a prompt with the end token (id 49407; SDXL's second encoder with 0),
cuts the last id off a prompt that is too long, so that no end token is left, and sends 49407 for a
character that the vocabulary lacks, in the middle of the prompt. (Apple's package at c891f43 and
e12202c, compiled and run: the first end token is therefore not the end.) What diffusers would have
sent follows from the last id that is neither the end token nor padding.
"""

from __future__ import annotations

from collections.abc import Sequence

END = 49407
"""CLIP's end token, `<|endoftext|>`."""

SECOND_PAD = 0
"""What the runtimes pad the prompt of SDXL's second text encoder with; all others with the end."""


def restore_prompt(
    ids: Sequence[int], *, end: int, app_pad: int, pad: int
) -> tuple[tuple[int, ...], int]:
    """The ids that the model was trained on, and the place of their end token.

    Args:
        ids: what an app sends, begin token first.
        end: the end token.
        app_pad: what the app pads with.
        pad: what the model was trained to see behind the end token.
    """
    last = max((place for place, one in enumerate(ids) if one not in {end, app_pad}), default=0)
    stop = min(last + 1, len(ids) - 1)
    return (*ids[:stop], end, *[pad] * (len(ids) - stop - 1)), stop
