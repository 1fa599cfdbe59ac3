"""What `sdcoreml doctor` makes of its words."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sdcoreml.doctor.commands.doctor_options import declare, words

NOTHING: dict[str, object] = {
    "paths": [],
    "goal": None,
    "toolchain": "tested",
    "output": None,
    "attention": "SPLIT_EINSUM",
    "size": "",
    "select": [],
    "ignore": [],
    "deep": False,
    "fail_on": "error",
    "facts": None,
    "save_facts": None,
    "compare": None,
    "fix": False,
    "dry_run": False,
    "format": None,
    "html": None,
}


@pytest.fixture(autouse=True)
def tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLCHAIN", "tested")


def parsed(*typed: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    declare(parser)
    return vars(parser.parse_args(typed))


def test_without_words_this_machine_is_examined() -> None:
    assert parsed() == NOTHING


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("./a ./b", {"paths": [Path("a"), Path("b")]}),
        ("--goal env", {"goal": "env"}),
        ("--toolchain light --output o", {"toolchain": "light", "output": Path("o")}),
        ("--attention ORIGINAL --size 64x64", {"attention": "ORIGINAL", "size": "64x64"}),
        ("--select A,B --select C", {"select": ["A", "B", "C"]}),
        ("--ignore A=x --ignore B=y,z", {"ignore": ["A=x", "B=y,z"]}),
        ("--deep --fix --dry-run", {"deep": True, "fix": True, "dry_run": True}),
        ("--fail-on info", {"fail_on": "info"}),
        ("--fail-on warning", {"fail_on": "warning"}),
        ("--facts a --save-facts b", {"facts": Path("a"), "save_facts": Path("b")}),
        ("--compare c --html d", {"compare": Path("c"), "html": Path("d")}),
        ("--json", {"format": "json"}),
        ("--github", {"format": "github"}),
    ],
)
def test_what_is_given_is_there_by_its_name(typed: str, said: dict[str, object]) -> None:
    found = parsed(*typed.split())
    assert {name: one for name, one in found.items() if one != NOTHING[name]} == said
    assert parsed() == NOTHING


@pytest.mark.parametrize("typed", ["--goal fly", "--fail-on ok", "--select ,", "--json --github"])
def test_what_makes_no_sense_is_refused(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*typed.split())
    assert "error: " in capsys.readouterr().err


def test_words_are_between_commas() -> None:
    assert words(" A, ,B C,") == ["A", "B C"]
    for empty in ("", " , "):
        with pytest.raises(argparse.ArgumentTypeError) as caught:
            words(empty)
        assert str(caught.value) == f"{empty!r} names no check; `sdcoreml explain` lists them"
