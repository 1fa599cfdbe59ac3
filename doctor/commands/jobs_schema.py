"""The JSON Schema of job files, with which editors complete them, and an example to begin with.

`doctor/schemas/job-file.schema.json` is `schema()`; a test keeps it current. To write it again:
`python -m sdcoreml.doctor.commands.jobs_schema`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from sdcoreml.convert.models.ingredients import parse_embedding
from sdcoreml.doctor.commands.convert_values import (
    folder_name,
    image_size,
    lora,
    positive_int,
    positive_number,
    precision,
    whole_number,
)
from sdcoreml.doctor.commands.jobs_file import (
    ALL_AT_ONCE,
    DEFAULTS,
    INTO,
    MODEL,
    MODELS,
    OWN,
    Key,
    keys,
)
from sdcoreml.doctor.commands.named_models import as_model
from sdcoreml.ground.aside import update_text
from sdcoreml.ground.places import as_path

FILE = Path(__file__).parents[1] / "schemas" / "job-file.schema.json"
"""The schema as it is shipped."""

_TEXT: Mapping[str, object] = {"type": "string", "minLength": 1}

_VALUES: Mapping[object, Mapping[str, object]] = {
    int: {"type": "integer"},
    positive_int: {"type": "integer", "minimum": 1},
    whole_number: {"type": "integer", "minimum": 0},
    positive_number: {"type": "number", "exclusiveMinimum": 0},
    image_size: {"type": "string", "pattern": "^[1-9][0-9]*[xX][1-9][0-9]*$"},
    precision: {"type": "string", "pattern": "^(.*=)?(fp16|fp32)$"},
    folder_name: {"type": "string", "pattern": r"^(?!\s*$)[^./\\:][^/\\:]*$"},
    as_path: _TEXT,
    as_model: _TEXT,
    lora: _TEXT,
    parse_embedding: _TEXT,
}
"""What an option's parser reads, as far as a schema can say it."""

EXAMPLE = """\
#:schema {schema}
# The keys are the options of convert, without the dashes. A list makes a folder for each of its
# values, false leaves an option out. Paths are relative to this file. To see what it makes, without
# making it: `sdcoreml jobs FILE --plan`

[defaults]
size = ["512x512", "512x768"]
bits = [false, 6]

[[models]]
model = "first.safetensors"

[[models]]
model = "owner/name"
attention = ["split-einsum", "original"]
lora = ["style.safetensors:0.8"]
bits = 6
"""


def example() -> str:
    """Return a job file to begin with, which names the schema of this installation."""
    return EXAMPLE.format(schema=FILE.resolve().as_uri())


def schema() -> dict[str, object]:
    """Return the JSON Schema of job files."""
    own = {name: _values(key) for name, key in keys().items()}
    usual = {name: {"$ref": f"#/$defs/{name}"} for name in own}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "version 1",
        "title": "Job file of sdcoreml",
        "type": "object",
        "additionalProperties": False,
        "required": [MODELS],
        "properties": {
            INTO: {
                "description": "the folder in which models/ and controlnet/ are made (default:"
                " that of this file)",
                **_TEXT,
            },
            DEFAULTS: {
                "description": "options of all models",
                "type": "object",
                "additionalProperties": False,
                "properties": {name: usual[name] for name in usual if name not in OWN},
            },
            MODELS: {
                "description": "the models to convert, and their own options",
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": [MODEL],
                    "properties": usual,
                },
            },
        },
        "$defs": own,
    }


def _values(key: Key) -> dict[str, object]:
    """Return the schema of a key: one value, a list of them, or a list of sets."""
    one = _value(key)
    many = {"type": "array", "items": one}
    left_out = {"const": False}
    if key.types == (bool,):
        shapes: list[Mapping[str, object]] = [one, {**many, "minItems": 1}]
    elif key.name == MODEL:
        shapes = [one, {**many, "minItems": 1}]
    elif key.name in ALL_AT_ONCE:
        shapes = [one, left_out, {**many, "minItems": 1}]
    elif key.is_set:
        shapes = [one, left_out, many, {"type": "array", "items": many, "minItems": 1}]
    else:
        either = {"anyOf": [one, left_out]}
        shapes = [one, left_out, {"type": "array", "items": either, "minItems": 1}]
    return {"description": key.action.help, "anyOf": shapes}


def _value(key: Key) -> Mapping[str, object]:
    if key.types == (bool,):
        return {"type": "boolean"}
    if key.choices:
        return {"enum": list(key.choices)}
    return _VALUES.get(key.action.type, {"type": "string"})


def written() -> str:
    """Return the schema as the file has it."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    update_text(FILE, written())
