"""Converts facts to JSON and back, so that the checks can be run elsewhere on saved facts.

`Unknown` and `Absent` become objects with a single field of that name, so that a known, an unknown
and an absent fact stay distinct.
"""

from __future__ import annotations

from sdcoreml.doctor.core.facts import Facts
from sdcoreml.ground.codec import DecodeError, as_object, from_plain, to_plain

SCHEMA = 2
"""The version of the format, raised when a fact changes its meaning; others are refused."""


def save(facts: Facts) -> dict[str, object]:
    """Convert facts to one JSON object that includes the schema's number."""
    return {"schema": SCHEMA, "facts": to_plain(facts)}


def load(data: object) -> Facts:
    """Rebuild the facts from the result of `save`; raise `DecodeError` for anything else."""
    content = as_object(data, "file")
    if content.get("schema") != SCHEMA:
        raise DecodeError(f"file: schema {content.get('schema')!r}; this version reads {SCHEMA}")
    return from_plain(Facts, content.get("facts"), "facts")
