"""A parser of command lines whose refusals are one line, like every other error."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import NoReturn

from sdcoreml.ground.errors import ExitCode


class Parser(argparse.ArgumentParser):
    """As argparse's, but wrong usage gets a line that says where to look, not the whole usage."""

    def error(self, message: str) -> NoReturn:
        """End with what is wrong."""
        self.exit(ExitCode.USAGE, f"error: {message}; `{self.prog} --help` shows what it takes\n")

    def parse_or_suggest(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all the words; an unknown option is answered with the nearest that there is."""
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
    """Which of the known words a mistyped one may have meant; nothing when none is near."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else ""
