from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import (  # type: ignore[import-untyped]
    Draft7Validator,
    Draft202012Validator,
)

from sdcoreml.convert.models.lora import LoraSource
from sdcoreml.convert.programs.options import Precision, Target
from sdcoreml.doctor.commands import jobs_schema
from sdcoreml.doctor.commands.convert_options import declare
from sdcoreml.doctor.commands.jobs_file import NO_KEYS, JobFile, keys, read_job_file
from sdcoreml.doctor.commands.jobs_schema import example, schema, written
from sdcoreml.ground.errors import BadInputError
from sdcoreml.lockfiles.table import read_toml


def read(tmp_path: Path, text: str) -> JobFile:
    path = tmp_path / "jobs.toml"
    path.write_text(text)
    return read_job_file(path)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(BadInputError) as caught:
        read(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_a_model_has_the_defaults_and_its_own_options(tmp_path: Path) -> None:
    text = """
    into = "shelf"
    [defaults]
    bits = 6
    tokens = 154
    controlled = true
    [[models]]
    model = "a.ckpt"
    tokens = 77
    controlled = false
    bits = false
    precision = ["vae=fp32"]
    [[models]]
    model = "b/c"
    """
    file = read(tmp_path, text)
    first, second = (vars(request.args) for request in file.requests)
    assert file.into == tmp_path / "shelf"
    assert (first["model"], first["tokens"], first["bits"]) == (tmp_path / "a.ckpt", 77, None)
    assert first["precision"] == [("vae", Precision.FP32)]
    assert "controlled" not in first
    assert (str(second["model"]), second["tokens"], second["bits"]) == ("b/c", 154, 6)
    assert second["controlled"] is True


def test_lists_multiply_and_tell_folders_apart(tmp_path: Path) -> None:
    text = """
    [[models]]
    model = ["a.ckpt", "b.ckpt"]
    size = ["512x512", "512x768"]
    bits = [false, 4]
    target = ["macOS13", "macOS15"]
    lora = [[], ["dog.safetensors:0.5", "big/cat.ckpt"]]
    """
    file = read(tmp_path, text)
    assert len(file.requests) == 16
    assert [request.given for request in file.requests[::8]] == [
        str(tmp_path / name) for name in ("a.ckpt", "b.ckpt")
    ]
    assert all(
        request.args.size == [(512, 512), (512, 768)] and request.place == "models[0]"
        for request in file.requests
    )
    last = file.requests[-1]
    assert (last.args.bits, last.args.target, last.labels) == (
        4,
        Target.MACOS15,
        ("dog-cat", "macOS15"),
    )
    assert last.args.lora == [
        LoraSource(path=tmp_path / "dog.safetensors", scale=0.5),
        LoraSource(path=tmp_path / "big" / "cat.ckpt", scale=1.0),
    ]


def test_one_list_of_loras_is_one_set(tmp_path: Path) -> None:
    text = "[[models]]\nmodel = 'a.ckpt'\nlora = ['b.ckpt', 'c.ckpt']\n"
    (request,) = read(tmp_path, text).requests
    assert [source.path.name for source in request.args.lora] == ["b.ckpt", "c.ckpt"]
    assert request.labels == ()


def test_a_path_is_the_job_file_s_and_a_name_stays(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    names = ["here", "./there", "some word", "owner/name", "https://civitai.com/models/1/a.ckpt"]
    models = "".join(f"[[models]]\nmodel = '{name}'\n" for name in names[:4])
    given = [request.given for request in read(tmp_path, models).requests]
    assert given == [str(tmp_path / "here"), str(tmp_path / "there"), "some word", "owner/name"]
    (found,) = read(tmp_path, "[[models]]\nmodel = 'https://x.example/a.ckpt'\n").requests
    assert found.given == "https://x.example/a.ckpt"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "jobs.toml: models: is missing: write [[models]] and model = 'PATH' below it"),
        ("[[models]]\nbits = 6", "jobs.toml: models[0]: has no model = 'PATH'"),
        ("models = [1]", "models[0]: is 1, not a table; models[0]: has no model = 'PATH'"),
        ("x = [", "not valid TOML: "),
        ("[defualts]\n[[models]]\nmodel='a'", "defualts: no such key; did you mean defaults?"),
        ("[defaults]\nmodel='a'\n[[models]]\nmodel='a'", "defaults.model: is a key of [[models]]"),
        ("[[models]]\nmodel='a'\natention='x'", "no such key; did you mean attention?"),
        ("[[models]]\nmodel='a'\nworkers=3", "models[0].workers: --workers is said to jobs"),
        ("[[models]]\nmodel='a'\nbits=5", "models[0].bits: is 5, not one of 1, 2, 3, 4, 6, 8"),
        ("[[models]]\nmodel='a'\nbits='6'", "models[0].bits: is '6', not one of 1, 2"),
        ("[[models]]\nmodel='a'\nbits=true", "models[0].bits: is True, not one of 1, 2"),
        ("[[models]]\nmodel='a'\ntokens=0", "models[0].tokens: '0' is not a whole number above"),
        ("[[models]]\nmodel='a'\ntokens=1.5", "models[0].tokens: is 1.5, not a whole number"),
        ("[[models]]\nmodel='a'\nchunk='no'", "models[0].chunk: is 'no', not true or false"),
        ("[[models]]\nmodel='a'\nsize=[]", "models[0].size: is an empty list"),
        ("[[models]]\nmodel='a'\nsize=['5x5']", "models[0].size: '5x5' is not WIDTHxHEIGHT"),
        ("[[models]]\nmodel='a'\nlora='b:x'", "models[0].lora: "),
        ("[[models]]\nmodel=false", "models[0].model: is False, not a text"),
        ("into=3\n[[models]]\nmodel='a'", "into: is 3, not the path of a folder"),
    ],
)
def test_faults_say_where_they_are(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


def test_faults_are_told_together(tmp_path: Path) -> None:
    text = "[[models]]\nmodel = 'a'\nbits = 5\ntokens = 0\nbatch = 0\npad-id = -1\n"
    said = refusal(tmp_path, text)
    assert said.count("models[0].") == 3
    assert said.endswith("; and 1 more; correct it")


def test_what_else_is_wrong_with_a_table_without_a_model_is_told_with_it(tmp_path: Path) -> None:
    said = refusal(tmp_path, "[[models]]\nbits = 5\n")
    assert "models[0]: has no model = 'PATH'" in said
    assert "models[0].bits: " in said


def test_lists_cannot_multiply_without_end(tmp_path: Path) -> None:
    many = [f"m{number}" for number in range(200)]
    text = f"[[models]]\nmodel = {json.dumps(many)}\ntokens = {json.dumps([*range(1, 102)])}\n"
    said = refusal(tmp_path, text)
    assert "models[0]: the lists multiply to more than 10,000 conversions" in said


@pytest.mark.slow
def test_as_many_as_that_are_made_of_all_models_together(tmp_path: Path) -> None:
    many = json.dumps([f"m{number}" for number in range(99)])
    text = f"[[models]]\nmodel = {many}\ntokens = {json.dumps([*range(1, 102)])}\n"
    rest = f"[[models]]\nmodel = 'x'\ntokens = {json.dumps([*range(1, 2)])}\n"
    assert len(read(tmp_path, text + rest).requests) == 10_000
    said = refusal(tmp_path, f"{text}{rest}[[models]]\nmodel = 'y'\n")
    assert "models[2]: the lists multiply to more than 10,000 conversions" in said


def test_every_option_of_convert_is_a_key_or_says_why_not() -> None:
    parser = argparse.ArgumentParser()
    declare(parser)
    options = {text for action in parser._actions for text in action.option_strings}
    named = {f"--{name}" for name in (*keys(), *NO_KEYS)} - {"--model"}
    assert named <= options
    assert len(named) == len(parser._actions) - 1
    assert not keys().keys() & NO_KEYS.keys()


def test_the_schema_is_the_one_that_is_shipped() -> None:
    told = "write it again: python -m sdcoreml.doctor.commands.jobs_schema"
    assert jobs_schema.FILE.read_text() == written(), told
    Draft202012Validator.check_schema(schema())
    assert "description" in schema()["$defs"]["bits"]  # type: ignore[index]


def test_the_example_can_be_read_and_names_the_schema(tmp_path: Path) -> None:
    file = read(tmp_path, example())
    assert [(request.args.bits, len(request.args.size)) for request in file.requests] == [
        (None, 2),
        (6, 2),
        (6, 2),
    ]
    assert example().startswith(f"#:schema {jobs_schema.FILE.resolve().as_uri()}\n")


GOOD: dict[str, list[Any]] = {
    "size": ["512x512"],
    "lora": ["a.ckpt:0.5"],
    "embedding": ["a.pt"],
    "precision": ["vae=fp32"],
    "name": ["cat"],
    "latent-scale": [0.5, 2],
}
"""Texts that a key's own parser accepts, where not every text is one."""


def values(name: str) -> st.SearchStrategy[Any]:
    """Return values of a key, most of them right in themselves, in any nesting."""
    key = keys()[name]
    usual = {int: 1, float: 0.5, str: "a", bool: True}[key.types[0]]
    right = [*GOOD.get(name, [usual]), *key.choices[:2]] if not key.choices else key.choices
    one = st.sampled_from([*right, False, True, 3, 0.5, "zzz/../", []])
    return one | st.lists(one, max_size=2) | st.lists(st.lists(one, max_size=2), max_size=2)


MODELS = st.fixed_dictionaries(
    {},
    optional={name: values(name) for name in [*keys(), "model"]},
)


WRONG: tuple[dict[str, Any], ...] = (
    {},
    {"models": []},
    {"models": [{"name": "cat"}]},
    {"models": [{"model": "a", "bitz": 4}]},
    {"models": [{"model": "a", "bits": 5}]},
    {"models": [{"model": "a", "size": "big"}]},
    {"models": [{"model": "a"}], "defaults": {"output": "b"}},
)


@pytest.mark.parametrize("validator", [Draft7Validator, Draft202012Validator])
def test_editors_of_either_draft_complete_and_judge_alike(validator: Any, tmp_path: Path) -> None:
    # Those of TOML know draft 7, whatever draft a schema names.
    validator.check_schema(schema())
    judge = validator(json.loads(jobs_schema.FILE.read_text("utf-8")))
    (tmp_path / "jobs.toml").write_text(example())
    assert list(judge.iter_errors(read_toml(tmp_path / "jobs.toml"))) == []
    assert [one for one in WRONG if judge.is_valid(one)] == []
    beside = {"description", "anyOf"}
    assert all(one.keys() == beside for one in schema()["$defs"].values())  # type: ignore[attr-defined]


@settings(max_examples=60)
@given(model=MODELS, usual=MODELS)
def test_the_schema_accepts_what_the_reader_accepts(
    tmp_path_factory: pytest.TempPathFactory, model: dict[str, Any], usual: dict[str, Any]
) -> None:
    content = {"defaults": usual, "models": [{"model": "a", **model}]}
    path = tmp_path_factory.mktemp("jobs", numbered=True) / "jobs.toml"
    path.write_text(as_toml(content))
    try:
        read_job_file(path)
        said = ""
    except BadInputError as error:
        said = str(error)
    is_valid = Draft202012Validator(schema()).is_valid(content)
    assert is_valid is (not said), said


def as_toml(content: dict[str, Any]) -> str:
    """Write the two tables of a job file; JSON's values are TOML's."""
    usual = [f"{key} = {json.dumps(value)}" for key, value in content["defaults"].items()]
    own = [f"{key} = {json.dumps(value)}" for key, value in content["models"][0].items()]
    return "\n".join(["[defaults]", *usual, "[[models]]", *own])
