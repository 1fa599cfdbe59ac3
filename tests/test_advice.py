"""Every command in a message, remedy or page can be pasted, however the program was started."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from sdcoreml.convert.cli import build_parser
from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.cli import VERBS, parse
from sdcoreml.doctor.core.engine import examine
from sdcoreml.doctor.core.fix import plan
from sdcoreml.doctor.knowledge import entries
from sdcoreml.ground.advice import UNPACK, Start, spell, spell_words
from tests.doctor.specimens import SICK

ROOT = Path(__file__).parents[1]
FLOORS = ("ground", "lockfiles", "envs", "convert", "doctor")
NAMES = "|".join([*(verb.name for verb in VERBS), "help", "lock", "bootstrap"])
SPOKEN = re.compile(rf"(?:sdcoreml|make) (?:{NAMES})\b|\.venv/bin|-m (?:sdcoreml\.)?convert\b")
SPAN = re.compile(r"`((?:'[^']*'|[^`'])*)`")

PROSE = (
    "a folder that sdcoreml convert made",
    "the file that sdcoreml recipe wrote",
    "let sdcoreml convert the model",
    "  sdcoreml convert: ",
    "to use it, once:\n",
    "sdcoreml convert --sample --full",
    "sdcoreml env prove",
    "sdcoreml convert in {X} and in {X}",
    "sdcoreml env lock",
    "sdcoreml verify FOLDER --with coreml --share FILE\n",  # a page, not a message
    "python -m convert",
    ".venv/bin",
)
"""Parts of texts that mention a command without advising it; short ones are whole texts."""

STARTS = {
    "make": Start(program=(".venv/bin/sdcoreml",), python=".venv/bin/python", has_make=True),
    ".venv": Start(program=(".venv/bin/sdcoreml",), python=".venv/bin/python"),
    "a path": Start(program=("/a b/bin/sdcoreml",), python="/a b/bin/python"),
    "PATH": Start(python="/opt/tool/bin/python"),
    "python -m": Start(program=("python3", "-m", "sdcoreml"), python="python3"),
    "a bare clone": Start(program=("python3", "-m", "sdcoreml"), python="python3", has_make=True),
}


def texts_of(source: str) -> Iterator[str]:
    """Yield a module's strings except docstrings; `{X}` stands for each replacement field."""
    tree = ast.parse(source)
    silent = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            silent |= {id(part) for part in node.values}
            parts = (one.value if isinstance(one, ast.Constant) else "{X}" for one in node.values)
            yield "".join(map(str, parts))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "command"
        ):
            words = [ast.unparse(one) for one in node.args if not isinstance(one, ast.Starred)]
            yield f"`sdcoreml {' '.join(map(word_of, words))}`"
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in silent:
            yield ast.literal_eval(node)


def word_of(expression: str) -> str:
    """Return what an argument in the source of `command(...)` stands for: its text or `{X}`."""
    if expression.startswith("'"):
        return str(ast.literal_eval(expression))
    return "--lora" if expression == "option" else "{X}"


@cache
def all_texts() -> tuple[tuple[str, str], ...]:
    return tuple(_all_texts())


def _all_texts() -> Iterator[tuple[str, str]]:
    for path in sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")):
        for text in texts_of(path.read_text(encoding="utf-8")):
            yield path.relative_to(ROOT).as_posix(), text
    for check in CHECKS:
        yield check.id, f"{check.title} {check.page}"
    for entry in entries():
        yield entry.id, f"{entry.cause} {entry.fix}"


@cache
def spans() -> set[str]:
    """Return every command of ours that stands in backticks or in a fix."""
    found = {
        " ".join(span.split())
        for _, text in all_texts()
        for span in SPAN.findall(text)
        if span.split()[:1] == ["sdcoreml"] or span.split()[:3] == [*UNPACK]
    }
    return {span for span in found if span.split()[1:2] not in ([], ["VERB"], ["{X}"])}


@cache
def fixes() -> set[tuple[str, ...]]:
    reports = (examine(facts, CHECKS) for facts in SICK.values())
    return {one for report in reports for step in plan(report) for one in step.fix.commands}


def require_parsed(words: Sequence[str]) -> None:
    """Require that the real parser accepts the arguments of a command."""
    told = io.StringIO()
    code: object = 0
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
            if "sdcoreml.convert" in words:
                rest = words[words.index("sdcoreml.convert") + 1 :]
                build_parser().parse_args([word for word in rest if word != "..."])
            elif words[0] not in {"help", "--help", "--version"}:
                parse(words)
    except SystemExit as end:
        code = end.code
    assert not code, f"{shlex.join(words)}: {told.getvalue()}"


def test_every_text_holds_its_commands_in_backticks() -> None:
    faults = []
    for where, text in all_texts():
        rest = SPAN.sub("", text)
        if text in PROSE or any(len(one) > 15 and one in rest for one in PROSE):
            continue
        if SPOKEN.search(rest):
            faults.append(f"{where}: {text}")
        spans = SPAN.findall(text)
        faults += [f"{where}: {one}" for one in spans if re.match(r"make (?!boot)|\.venv", one)]
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write what make needs of a clone, with a stub of `sdcoreml` that prints its arguments."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copy(ROOT / "Makefile", folder)
    for name, text in (
        ("envs/bootstrap.sh", "#!/bin/sh\n"),
        (".venv/bin/python", "#!/bin/sh\n"),
        (
            ".venv/bin/sdcoreml",
            f"#!{sys.executable} -IS\nimport json, sys; print(json.dumps(sys.argv[1:]))\n",
        ),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return folder


def words_of(command: Sequence[str], start: Start, clone: Path) -> list[str]:
    """Return the arguments that the program gets when the command is pasted into a shell."""
    if command[1:3] == ["-m", "sdcoreml.convert"]:
        assert command[0] == start.python
        return list(command[1:])
    if start.has_make and command[0] == "make":
        return made(tuple(command), clone)
    head = list(start.program)
    assert list(command[: len(head)]) == head
    return list(command[len(head) :])


@cache
def made(command: tuple[str, ...], clone: Path) -> list[str]:
    """Return the arguments that make passes to the program; make must succeed."""
    done = subprocess.run(
        command,
        cwd=clone,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
    words: list[str] = json.loads(done.stdout)
    return words


@pytest.mark.parametrize("way", STARTS)
def test_every_command_can_be_pasted(way: str, clone: Path) -> None:
    found = spans()
    assert len(found) > 30, "the texts are read"
    for span in sorted(found):
        (pasted,) = SPAN.findall(spell(f"`{span}`", STARTS[way]))
        require_parsed(words_of(shlex.split(pasted), STARTS[way], clone))
    for fix in sorted(fixes()):
        if fix[0] in {"sdcoreml", "python"}:
            require_parsed(words_of(list(spell_words(fix, STARTS[way])), STARTS[way], clone))
