"""Keywords become the words of the command line, and its own parsers read them."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import pytest

from sdcoreml.doctor.api.options import (
    ConvertOptions,
    DoctorOptions,
    VerifyOptions,
    read_options,
)
from sdcoreml.ground.errors import UsageError

LEFT_OUT = {
    "convert": {"help", "json", "plan", "sample"},
    "doctor": {
        *("help", "text", "json", "markdown", "github", "html"),
        *("fail-on", "facts", "save-facts", "compare", "fix", "dry-run"),
    },
    "verify": {"help", "json", "share"},
}
"""Options that say how the command line prints, or that change the machine."""


@pytest.mark.parametrize(
    ("verb", "options"),
    [("convert", ConvertOptions), ("doctor", DoctorOptions), ("verify", VerifyOptions)],
)
def test_every_option_of_the_command_line_is_a_keyword(verb: str, options: type) -> None:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"sdcoreml.doctor.commands.{verb}").configure(parser)
    names = {
        text.removeprefix("--")
        for action in parser._actions
        for text in [next((one for one in action.option_strings if one.startswith("--")), "")]
        if text
    }
    assert {name.rstrip("_").replace("_", "-") for name in options.__annotations__} == (
        names - LEFT_OUT[verb]
    )


def test_values_are_read_as_on_the_command_line(tmp_path: Path) -> None:
    model = tmp_path / "a b"
    model.touch()
    args = read_options(
        "convert",
        [model],
        {
            "bits": 6,
            "size": ["512x512", "512x768"],
            "chunk": True,
            "force": False,
            "vae": None,
            "for_": Path("-odd"),
        },
    )
    assert (args.model, args.bits, args.chunk, args.force) == (model, 6, True, False)
    assert args.size == [(512, 512), (512, 768)]
    assert (args.beside, args.vae) == (Path("-odd"), None)
    assert args.typed == (
        *("convert", "--bits=6", "--size=512x512", "--size=512x768", "--chunk", "--for=-odd"),
        *("--", str(model)),
    )


def test_a_verb_without_keywords_takes_none() -> None:
    with pytest.raises(UsageError) as caught:
        read_options("inspect", ["x"], {"b": 1, "a": 2})
    assert str(caught.value) == "inspect takes no a, b; leave it out"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"bits": 5}, r"argument --bits: invalid choice: 5"),
        ({"colour": "red"}, r"convert takes no colour"),
        ({"plan": True, "sample": True}, r"convert takes no plan, sample"),
        ({"size": "wide"}, r"argument --size: "),
        ({"bit": 6}, r"convert takes no bit"),
    ],
)
def test_what_an_option_does_not_take_is_an_error(options: dict[str, object], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        read_options("convert", ["model"], options)
