"""What Mochi Diffusion needs in metadata.json to list a model or a ControlNet.

The released app (6.0) reads sizes leniently. The next one takes a size only from brackets around
exactly four positive whole numbers, and hides the model or net otherwise; a model without the file
is listed, with any size (`CoreMLMetadataShape` of its branch `develop`, read in November 2026).
"""

from __future__ import annotations

from sdcoreml.convert.bundle.contract import CONTROL_INPUT, NAMES

_RANK = 4
"""Batch, channels, height and width."""

_LARGEST = (1 << 63) - 1
_MOST_DIGITS = 19
"""The largest number that Swift's `Int` can read, and its digits."""

_SHOWN = 80
"""The most letters of a shape that are shown."""


def why_hidden(stem: str, metadata: object) -> str:
    """Return why the next Mochi Diffusion hides the model or the net with this program, else "".

    `stem` is the program's name, `metadata` the content of its metadata.json. Only a VAE encoder
    and a ControlNet are asked for a size.
    """
    match metadata:
        case [{"inputSchema": list() as inputs}]:
            pass
        case _:
            return ""
    asked = inputs[:1] if stem == NAMES["vae_encoder"] else []
    asked += [one for one in inputs if isinstance(one, dict) and one.get("name") == CONTROL_INPUT]
    for one in asked:
        shape = one.get("shape") if isinstance(one, dict) else None
        if not isinstance(shape, str) or not is_size(shape):
            return f"the shape {repr(shape)[:_SHOWN]} is not four positive numbers in brackets"
    return ""


def is_size(shape: str) -> bool:
    """Whether the next Mochi Diffusion can read an image size from this text."""
    text = shape.strip()
    parts = text[1:-1].split(",") if text.startswith("[") and text.endswith("]") else []
    return len(parts) == _RANK and all(_is_positive(part.strip()) for part in parts)


def _is_positive(text: str) -> bool:
    digits = text.removeprefix("+")
    is_short = len(digits) <= _MOST_DIGITS
    return is_short and digits.isascii() and digits.isdecimal() and 0 < int(digits) <= _LARGEST
