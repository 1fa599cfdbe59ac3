"""All that the command line takes: actions, options, their values and their defaults."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from types import ModuleType

import pytest

from sdcoreml.convert.cli import build_parser
from sdcoreml.doctor.cli import VERBS
from sdcoreml.doctor.commands import (
    cache,
    clean,
    compile,  # noqa: A004  the verb
    complete,
    convert,
    diagnose,
    doctor,
    draw,
    env,
    explain,
    inspect,
    jobs,
    library,
    pack,
    queue,
    recipe,
    report,
    sources,
    verify,
    weights,
    worker,
)
from sdcoreml.doctor.studio import studio
from tests.golden import assert_golden

MODULES = (
    doctor,
    env,
    convert,
    jobs,
    verify,
    draw,
    inspect,
    weights,
    library,
    diagnose,
    explain,
    studio,
    report,
    pack,
    recipe,
    sources,
    queue,
    worker,
    compile,
    cache,
    clean,
    complete,
)


def described(parser: argparse.ArgumentParser, words: str) -> Iterator[str]:
    """Yield what a parser takes. `--help` itself looks different in each version of Python."""
    defaults = {name: tell(value) for name, value in sorted(parser._defaults.items())}
    yield f"{words} {defaults}"
    for text in (parser.description, parser.epilog):
        yield from (f"  | {line}" for line in (text or "").splitlines())
    for group in parser._mutually_exclusive_groups:
        yield f"  one of: {', '.join(one.dest for one in group._group_actions)}"
    for part in parser._action_groups:
        yield f"  {part.title}: {' '.join(one.dest for one in part._group_actions)}"
    for action in parser._actions:
        yield f"  {'/'.join(action.option_strings) or action.dest}"
        yield f"    {type(action).__name__}"
        for name in SAID:
            value = getattr(action, name)
            if value == argparse.SUPPRESS:
                yield f"    {name}: absent"
            elif value is not None and value is not False:
                yield f"    {name}: {tell(value)}"
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield from described(one, f"{words} {name}")


SAID = ("dest", "nargs", "const", "default", "type", "choices", "required", "metavar", "help")
"""What an option has in every version of Python."""


def tell(value: object) -> str:
    """Return a value as text, without what differs between versions of Python and machines."""
    if isinstance(value, dict):
        return ", ".join(value)
    name = getattr(value, "__qualname__", "")
    return f"{value}" if isinstance(value, str) else name or repr(value)


def test_every_verb_is_here() -> None:
    assert {verb.load() for verb in VERBS} == {*MODULES}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_what_a_verb_takes(module: ModuleType) -> None:
    parser = argparse.ArgumentParser()
    module.configure(parser)
    name = module.__name__.rpartition(".")[2]
    assert_golden(f"verb-{name}", "\n".join(described(parser, name)))


def test_what_the_converter_of_files_takes() -> None:
    assert_golden("verb-of-convert", "\n".join(described(build_parser(), "python -m convert")))
