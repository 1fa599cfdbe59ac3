"""The model of random weights that tests convert: written without torch, the same everywhere.

Today it is the built-in sample too; that will draw one day, and have other sizes.
"""

from __future__ import annotations

from sdcoreml.convert.models.sample import (
    CONFIGS,
    weights_of,
    write_sample,
    write_shards,
    write_tokenizer,
)
from sdcoreml.convert.models.sample_weights import draw_tensor

write_miniature = write_sample

__all__ = [
    "CONFIGS",
    "draw_tensor",
    "weights_of",
    "write_miniature",
    "write_shards",
    "write_tokenizer",
]
