"""The texts of the window: one catalogue has all of them, and figures that a command reproduces."""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from sdcoreml.doctor.commands.draw_options import configure
from sdcoreml.doctor.studio import wording
from sdcoreml.doctor.studio.bench import Bench
from sdcoreml.doctor.studio.wording import (
    BATCHES,
    BITS,
    COSTS,
    DEVICES,
    EXTRAS,
    KEEP,
    MEASURED_BY,
    MORE,
    PREDICTIONS,
    SKIPS,
    TARGETS,
    say,
    title,
    together,
    why,
)
from tests.doctor.studio.models import MODELS, examined, write_lcm
from tests.golden import assert_golden, table_of

ROOT = Path(__file__).parents[3]
STUDIO = ROOT / "doctor" / "studio"
TEXTS: Mapping[str, str | Mapping[str, str]] = json.loads(
    (STUDIO / "page" / "texts.en.json").read_text("utf-8")
)
VALUES = {
    "device": DEVICES,
    "bits": BITS,
    "extras": EXTRAS,
    "more": MORE,
    "target": TARGETS,
    "prediction-type": PREDICTIONS,
    "clip-skip": SKIPS,
    "packages": KEEP,
    "batch.apps": BATCHES[True],
    "batch.nodes": BATCHES[False],
}
GROUPS = [key for key in TEXTS if key.startswith("choice.") and not key.endswith(".why")]


def choices() -> Iterator[tuple[str, str]]:
    """Yield the keys of the title and the sentence of every group and option."""
    yield from ((key, f"{key}.why") for key in GROUPS)
    for key, values in VALUES.items():
        for value in values:
            yield f"{title(key, value)['say']}", f"{why(key, value)['say']}"


def test_tables_are_as_they_are_kept() -> None:
    names = ("DEVICES", "EXTRAS", "MORE", "TARGETS", "PREDICTIONS", "SKIPS", "KEEP", "APPS")
    kept = table_of(wording, *names, "BATCHES", "BITS", "COSTS")
    assert_golden("table-doctor.studio.wording", kept)


def test_a_text_is_its_key_and_raw_values() -> None:
    size = say("verdict.size.bits", bytes=7_000_000, bits=6)
    assert size == {"say": "verdict.size.bits", "bytes": 7_000_000, "bits": 6}
    assert together("A.", size, "B.") == {
        "say": "together",
        "first": {"say": "together", "first": "A.", "second": size},
        "second": "B.",
    }
    assert title("prediction-type", "") == {"say": "prediction-type.own"}
    assert COSTS[16].say() == {"say": "cost", "least": 53, "most": 59}


def test_each_choice_has_a_short_title_and_a_whole_sentence() -> None:
    for one, other in choices():
        short, sentence = TEXTS[one], TEXTS[other]
        assert isinstance(short, str)
        assert isinstance(sentence, str)
        assert 0 < len(short) <= 30
        assert sentence[0].isupper() or sentence[0].isdigit()
        assert sentence.endswith(".")
        assert len(sentence) <= 150, other


def test_no_group_is_called_like_the_fold_that_it_is_in() -> None:
    folds = (TEXTS["choices.extras"], TEXTS["choices.more"])
    assert not [key for key in GROUPS if TEXTS[key] in folds]
    assert not f"{folds[1]}".startswith(f"{TEXTS['choice.more']}")


SOURCES = {path.name: ast.parse(path.read_text("utf-8")) for path in sorted(STUDIO.glob("*.py"))}
ELSEWHERE = {"serve.py", "studio.py", "packages.py", "plain.py", "app.py", "gate.py", "static.py"}
"""These speak to a terminal or a browser's machinery, not to a person in the window."""

NO_TEXTS = {
    "a lighthouse on a cliff in the evening sun": "what to draw: a prompt is for the model",
    "a red circle on a blue background": "a prompt",
    "a yellow star": "a prompt",
    "a purple heart on a white background": "a prompt",
    "sdcoreml sample ": "compared with a config",
    "Core ML": "a name",
    "Unet": "a name",
    "Downloads": "the name of a folder",
    "a UNet for ComfyUI draws in ComfyUI only": "part of a refusal",
    "the toolchain ": "part of a refusal",
    " has no torch, which drawing needs": "part of a refusal",
    "sandbox allow-popups;": "a policy",
}
_PROSE = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}|^[A-Z][a-z]+[.:,]?$")
_REFUSING = {"what", "remedy", "reason", "where"}


def keys_said() -> Iterator[str]:
    """Yield the keys that the server says; of one that is put together, its stem and a star."""
    for name, tree in SOURCES.items():
        for call in () if name in ELSEWHERE else ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                called, first = call.func.id, call.args[0] if call.args else None
                if called == "say" and first:
                    yield from _keys(first)


def _keys(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(key)):
            yield key
        case ast.IfExp(body=one, orelse=other):
            yield from (*_keys(one), *_keys(other))
        case ast.JoinedStr(values=parts):
            told = (part.value if isinstance(part, ast.Constant) else "*" for part in parts)
            yield "".join(map(str, told))


def matches(key: str) -> list[str]:
    """Return the texts that a key of the server can mean."""
    pattern = re.escape(key).replace(r"\*", ".+")
    return [one for one in TEXTS if re.fullmatch(pattern, one)]


def test_every_text_that_the_server_says_is_in_the_catalogue() -> None:
    assert [key for key in keys_said() if not matches(key)] == []
    assert [key for pair in choices() for key in pair if key not in TEXTS] == []


def prose() -> Iterator[str]:
    """Yield what reads like a text, and is no docstring and no part of a refusal."""
    for name, tree in SOURCES.items():
        if name not in ELSEWHERE:
            yield from (text for text in _prose(tree) if not text.startswith((*NO_TEXTS,)))


def _prose(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Raise() | ast.Expr(value=ast.Constant()):
            return
        case ast.Call(func=ast.Name(id=name)) if name.endswith("Error") or name == "parse_json":
            return
        case ast.keyword(arg=name) if name in _REFUSING:
            return
        case ast.Assign(targets=[ast.Name(id=name)]) if name in _REFUSING:
            return
        case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id="what"), *_])]):
            return
        case ast.Constant(value=str(text)) if _PROSE.search(text):
            yield text
    for child in ast.iter_child_nodes(node):
        yield from _prose(child)


def test_no_other_text_of_the_window_stands_in_the_server() -> None:
    """A string in an answer is a name or the tool's own words: the window's have a key."""
    assert [*prose()] == []


def test_the_border_finds_what_crosses_it() -> None:
    kept = ast.parse('def f():\n    "A docstring here."\n    raise UsageError("no such thing")\n')
    assert [*_prose(kept)] == []
    assert [*_prose(ast.parse('x = {"text": f"{n} models are here", "title": "Took"}'))] == [
        " models are here",
        "Took",
    ]


TOOLS_OWN = {
    "family": "what the tool calls a model's kind",
    "form": "what it calls the form of its files",
    "name": "of an app or a program",
    "names": "of apps",
    "reason": "why an app runs it, or not",
    "facts": "as `inspect` says them",
    "what": "a finding or a refusal",
    "remedy": "what helps there",
    "command": "what to type",
}
"""Where an answer about a model may have English words: each is the tool's own wherever asked."""


def english(found: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the strings of an answer that read like words, with their keys."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield from () if name == "say" else english(value, name)
    elif isinstance(found, list):
        for value in found:
            yield from english(value, key)
    elif isinstance(found, str) and _PROSE.search(found):
        yield key, found


@pytest.mark.parametrize("write", [MODELS["controlnet"], write_lcm])
def test_what_is_english_in_an_answer_is_the_tools_own(
    write: Callable[[Path], Path], tmp_path: Path, bench: Bench
) -> None:
    found = [*english(examined(bench, write(tmp_path)))]
    assert {"family", "facts", "reason"} <= {key for key, _ in found}
    reasons = {f"{text[0].upper()}{text[1:]}." for key, text in found if key == "reason"}
    left = [(key, text) for key, text in found if key not in TOOLS_OWN and text not in reasons]
    assert left == []


def test_a_text_of_the_window_in_an_answer_is_found() -> None:
    crossing = {"verdict": {"sentence": "It can be converted.", "what": say("verdict.can")}}
    assert [*english([crossing])] == [("sentence", "It can be converted.")]


def test_each_quality_has_its_measured_cost_and_the_command_that_measures_it() -> None:
    assert [*COSTS] == [*BITS]
    verb, *words = MEASURED_BY
    assert verb == "draw"
    parser = argparse.ArgumentParser()
    configure(parser)
    args = parser.parse_args(words)
    compared = [one.name for one in args.compare]
    assert [f"sample-split-einsum-{bits}-bit_128x128" for bits in BITS if bits < 16] == compared
    told = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert all(f"--compare models/{name}" in told for name in compared)


def test_the_figure_of_recipes_is_the_one_of_the_readme() -> None:
    told = " ".join((ROOT / "convert" / "README.md").read_text("utf-8").split())
    assert "keeps 58 dB, with 4 bits throughout 46" in told
    assert "keeps 58 dB, with 4 bits throughout 46" in f"{TEXTS['choice.recipe.why']}"
