"""Converts facts to JSON and back, so that another machine can replay them.

`Unknown` and `Absent` are objects with a single field of that name, so that the three states of a
fact survive the journey.
"""

from __future__ import annotations

from sdcoreml.doctor.core.facts import Facts
from sdcoreml.ground.codec import DecodeError, as_object, from_plain, to_plain

SCHEMA = 2
"""The schema's number, raised if a fact changes its meaning; other numbers are refused."""


def save(facts: Facts) -> dict[str, object]:
    """The facts as one JSON object with its schema."""
    return {"schema": SCHEMA, "facts": to_plain(facts)}


def load(data: object) -> Facts:
    """The facts that `save` made `data` of. Raises `DecodeError` for anything else."""
    content = as_object(data, "file")
    if content.get("schema") != SCHEMA:
        raise DecodeError(f"file: schema {content.get('schema')!r}; this version reads {SCHEMA}")
    return from_plain(Facts, content.get("facts"), "facts")
