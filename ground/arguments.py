"""A command-line parser that reports each error in one line, as all our errors are."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import NoReturn

from sdcoreml.ground.errors import ExitCode
from sdcoreml.ground.visible import short_line


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises `UsageError`, in one line that refers to `--help`."""

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError` instead of printing the usage and exiting."""
        self.exit(
            ExitCode.USAGE,
            f"error: {short_line(message)}; `{self.prog} --help` shows what it takes\n",
        )

    def parse_or_suggest(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all words; for an unknown option, the error suggests the most similar one."""
        args, rest = self.parse_known_args(words)
        if rest:
            hint = suggest(rest[0].partition("=")[0], sorted({*options_of(self)}))
            self.error(f"unrecognized arguments: {' '.join(rest)}" + (f"; {hint}" if hint else ""))
        return args


def options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield every option of a parser and of its subcommands."""
    for action in parser._actions:  # noqa: SLF001  argparse has no other list of them
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for one in action.choices.values():
                yield from options_of(one)


def suggest(word: str, known: Sequence[str]) -> str:
    """Return a hint with the known words most similar to a mistyped one; "" if none is."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else ""
