"""Simplifies config values that list the same value for every block."""

from __future__ import annotations


def one_for_all(value: object) -> object:
    """Return the only value in a list that repeats it, such as 768 for `[768, 768]`.

    Any other `value` is returned unchanged. diffusers' UNet takes `cross_attention_dim` and
    `only_cross_attention` in both forms.
    """
    if isinstance(value, list | tuple) and value and all(item == value[0] for item in value):
        return value[0]
    return value
