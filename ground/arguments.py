"""A command-line parser whose errors are one line, like all others."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import NoReturn

from sdcoreml.ground.errors import ExitCode


class Parser(argparse.ArgumentParser):
    """Like argparse's parser, but wrong usage gives one line that refers to `--help`."""

    def error(self, message: str) -> NoReturn:
        """Raise the error."""
        self.exit(ExitCode.USAGE, f"error: {message}; `{self.prog} --help` shows what it takes\n")

    def parse_or_suggest(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all the words; for an unknown option, suggest the most similar one."""
        args, rest = self.parse_known_args(words)
        if rest:
            hint = suggest(rest[0].partition("=")[0], sorted({*options_of(self)}))
            self.error(f"unrecognized arguments: {' '.join(rest)}" + (f"; {hint}" if hint else ""))
        return args


def options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Every option of a parser and of those of its actions."""
    for action in parser._actions:  # noqa: SLF001  argparse has no other list of them
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for one in action.choices.values():
                yield from options_of(one)


def suggest(word: str, known: Sequence[str]) -> str:
    """The known words that are similar to a mistyped one, if any."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else ""
