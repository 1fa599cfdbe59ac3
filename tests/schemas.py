"""Reads what verbs print with `--json`, which has to fit the schemas that are shipped."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

FOLDER = Path(__file__).parents[1] / "doctor" / "schemas"


@cache
def validator(name: str) -> Draft202012Validator:
    """Return a validator of a schema, by the name of its file without `.schema.json`."""
    return Draft202012Validator(json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8")))


def read_as(name: str, text: str) -> Any:
    """Parse JSON and return its value, which has to fit the schema."""
    value = json.loads(text)
    validator(name).validate(value)
    return value
