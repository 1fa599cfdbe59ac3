"""The JSON Schemas that are shipped: one for every verb with `--json`, each with its version."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from sdcoreml.doctor.cli import EPILOG, VERBS
from sdcoreml.ground.errors import ExitCode
from tests.doctor.api.examples import PAGE
from tests.schemas import FOLDER, read_as, validator

NAMES = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.iterdir())
OTHERS = {"event", "exit-codes", "job-file", "manifest"}
"""Documents that no verb prints with `--json`."""

UNSTATED = {"event", "exit-codes", "job-file"}
"""Those whose values do not state a version."""


def document(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8"))
    return content


def parts(schema: object) -> Iterator[dict[str, Any]]:
    """Yield every schema in a schema, itself first."""
    if isinstance(schema, dict):
        yield schema
    for one in schema.values() if isinstance(schema, dict) else schema:  # type: ignore[attr-defined]
        if isinstance(one, dict | list):
            yield from parts(one)


def kinds_of(schema: dict[str, Any]) -> list[str]:
    kinds: str | list[str] = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds


def verbs_with_json(parser: argparse.ArgumentParser, words: str) -> Iterator[str]:
    has_actions = any(isinstance(one, argparse._SubParsersAction) for one in parser._actions)
    for action in parser._actions:
        if "--json" in action.option_strings and not has_actions:  # else it is the default one's
            yield words
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield from verbs_with_json(one, f"{words}-{name}")


def test_every_verb_with_json_has_a_schema() -> None:
    found: list[str] = []
    for verb in VERBS:
        parser = argparse.ArgumentParser()
        verb.load().configure(parser)
        found += verbs_with_json(parser, verb.name)
    assert sorted(found) == [name for name in NAMES if name not in OTHERS]


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one_and_has_a_version(name: str) -> None:
    content = document(name)
    Draft202012Validator.check_schema(content)
    assert content["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert content["title"]
    assert re.fullmatch(r"version [1-9]", content["$comment"])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNSTATED])
def test_its_version_is_that_which_it_asks_for(name: str) -> None:
    content = document(name)
    told = "rises when a field changes its meaning or goes"
    own = next(part["const"] for part in parts(content) if part.get("description") == told)
    assert content["$comment"] == f"version {own}"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "job-file"])
def test_its_objects_have_no_other_fields_and_its_figures_are_described(name: str) -> None:
    for part in parts(document(name)):
        if isinstance(part.get("properties"), dict) and "type" in part:
            assert part["additionalProperties"] is False
            assert part["required"]
            for field, one in part["properties"].items():
                kinds = {
                    *([one["type"]] if isinstance(one.get("type"), str) else one.get("type", ()))
                }
                assert not kinds & {"integer", "number"} or one["description"], field


def test_the_page_lists_every_file_with_its_version() -> None:
    rows = re.findall(r"^\| .* \| `(.*)\.schema\.json` \| (\d) \|$", PAGE.read_text(), re.MULTILINE)
    assert [(name, f"version {number}") for name, number in rows] == [
        (name, document(name)["$comment"]) for name in NAMES
    ]


def test_the_exit_codes_are_all_there_in_the_words_of_the_help() -> None:
    codes = document("exit-codes")["oneOf"]
    assert {one["const"]: one["title"] for one in codes} == {
        one.value: one.name for one in ExitCode
    }
    lines = dict(re.findall(r"^  (\d+) +(.*)$", EPILOG, re.MULTILINE))
    for one in codes:
        if (said := lines.get(str(one["const"]))) and one["const"] != ExitCode.INTERRUPTED:
            assert one["description"].startswith(said)
    assert "130  interrupted (129 when the terminal was closed, 143 when terminated)" in EPILOG


@pytest.mark.parametrize("value", [8, "0", None])
def test_other_codes_are_none(value: object) -> None:
    assert not validator("exit-codes").is_valid(value)


def test_what_does_not_fit_is_refused() -> None:
    plain = {"schema": 1, "seal": "5f", "files": 1, "faults": []}
    assert read_as("env-verify", json.dumps(plain)) == plain
    is_valid = validator("env-verify").is_valid
    assert not is_valid({**plain, "more": 1})
    assert not is_valid({**plain, "schema": 2})
    assert not is_valid({name: value for name, value in plain.items() if name != "seal"})
