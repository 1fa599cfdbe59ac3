from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sdcoreml.ground.advice import Start, command, find_start, spell, spell_words

MAKE = Start(program=(".venv/bin/sdcoreml",), python=".venv/bin/python", has_make=True)
VENV = Start(program=(".venv/bin/sdcoreml",), python=".venv/bin/python")
BARE = Start(program=("python3", "-m", "sdcoreml"), python="python3", has_make=True)
PLAIN = Start()


@pytest.mark.parametrize(
    ("text", "start", "said"),
    [
        ("run `sdcoreml env`", MAKE, "run `make env`"),
        ("run `sdcoreml env`", VENV, "run `.venv/bin/sdcoreml env`"),
        ("run `sdcoreml env`", PLAIN, "run `sdcoreml env`"),
        ("run `sdcoreml env`", BARE, "run `make env`"),
        ("`sdcoreml env build --fresh`", MAKE, "`make env ARGS=--fresh`"),
        (
            "`sdcoreml env repair --toolchain light`",
            MAKE,
            "`make env TOOLCHAIN=light ARGS=repair`",
        ),
        ("`sdcoreml env lock --conda`", MAKE, "`make lock ARGS=--conda`"),
        ("`sdcoreml doctor --deep` checks", MAKE, "`make doctor ARGS=--deep` checks"),
        (
            "`sdcoreml convert 'a b' --components unet --output o`",
            MAKE,
            "`make convert MODEL='a b' OUT=o ARGS='--components unet'`",
        ),
        ("`sdcoreml convert --vae '$x'`", MAKE, "`.venv/bin/sdcoreml convert --vae '$x'`"),
        ("`sdcoreml verify FOLDER --against M`", MAKE, "`make verify OUT=FOLDER MODEL=M`"),
        ("`sdcoreml inspect 'a`b'`", MAKE, "`.venv/bin/sdcoreml inspect 'a`b'`"),
        ("`sdcoreml inspect X`", BARE, "`python3 -m sdcoreml inspect X`"),
        ("`python -m sdcoreml.convert ...`", BARE, "`python3 -m sdcoreml.convert ...`"),
        ("`python -m sdcoreml.convert ...`", VENV, "`.venv/bin/python -m sdcoreml.convert ...`"),
        ("`sdcoreml` or `sdcoreml X`", VENV, "`.venv/bin/sdcoreml` or `.venv/bin/sdcoreml X`"),
        ("sdcoreml env makes; `sdcoremlx env`", MAKE, "sdcoreml env makes; `sdcoremlx env`"),
        ("`sdcoreml convert it's", VENV, "`sdcoreml convert it's"),
    ],
)  # fmt: skip
def test_a_command_in_backticks_is_spelled_for_the_start(
    text: str, start: Start, said: str
) -> None:
    assert spell(text, start) == said
    assert spell(said, start) == said, "twice is once"


def test_what_make_was_told_it_is_told_again() -> None:
    start = Start(has_make=True, chosen={"TOOLCHAIN": "light", "BACKEND": "conda"})
    assert (
        spell("`sdcoreml convert M`", start)
        == "`make convert TOOLCHAIN=light BACKEND=conda MODEL=M`"
    )
    said = spell("`sdcoreml env --backend venv`", start)
    assert said == "`make env TOOLCHAIN=light BACKEND=venv`"


def test_words_are_spelled_as_lines_are_and_other_programs_left_alone() -> None:
    assert spell_words(("sdcoreml", "convert", "a b"), MAKE) == ("make", "convert", "MODEL=a b")
    assert spell_words(("sdcoreml", "compile", "p"), MAKE) == (".venv/bin/sdcoreml", "compile", "p")
    assert spell_words(("python", "-m", "sdcoreml.convert", "--half"), VENV) == (
        ".venv/bin/python", "-m", "sdcoreml.convert", "--half",
    )  # fmt: skip
    assert spell_words(("git", "lfs", "pull"), MAKE) == ("git", "lfs", "pull")


def test_a_path_in_a_command_is_quoted() -> None:
    assert command("convert", Path("a b"), "--half") == "`sdcoreml convert 'a b' --half`"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    tool = tmp_path / ".venv" / "bin" / "sdcoreml"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    return tmp_path


def found(script: str, clone: Path | None, here: Path, **environ: str) -> Start:
    return find_start(script, "python3", {"PATH": "/usr/bin", **environ}, here, clone)


def test_by_make_in_the_clone(clone: Path) -> None:
    script = ".venv/bin/sdcoreml"
    chosen = {"TOOLCHAIN": "light"}
    start = found(script, clone, clone, SDCOREML_BY_MAKE="1", **chosen)
    assert start == Start(
        program=(script,), python=".venv/bin/python", has_make=True, chosen=chosen
    )
    elsewhere = found(script, clone, clone.parent, SDCOREML_BY_MAKE="1")
    assert not elsewhere.has_make, "no Makefile there"


def test_by_a_path(clone: Path) -> None:
    assert found(".venv/bin/sdcoreml", clone, clone, TOOLCHAIN="light") == VENV
    tool = os.fspath(clone / ".venv/bin/sdcoreml")
    start = found(tool, clone, Path("/"))
    assert start == Start(program=(tool,), python=os.fspath(clone / ".venv/bin/python"))


def test_by_its_name_on_path(clone: Path) -> None:
    folder = clone / "a b"
    folder.mkdir()
    (folder / "sdcoreml").symlink_to(clone / ".venv/bin/sdcoreml")
    start = found(os.fspath(folder / "sdcoreml"), None, Path("/"), PATH=os.fspath(folder))
    assert start == Start(program=("sdcoreml",), python=sys.executable)


def test_by_python_in_a_clone_and_in_a_bare_one(clone: Path) -> None:
    script = os.fspath(clone / "doctor" / "__main__.py")
    assert found(script, clone, clone) == VENV
    (clone / ".venv/bin/sdcoreml").unlink()
    assert found(script, clone, clone) == BARE
    start = found("/lib/site-packages/sdcoreml/__main__.py", None, clone)
    assert start == Start(program=("python3", "-m", "sdcoreml"), python="python3")


def test_inside_another_program_texts_stay_as_they_are() -> None:
    assert found("/usr/lib/pytest/__main__.py", None, Path("/")) == Start()
