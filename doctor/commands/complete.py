"""`sdcoreml complete`: prints a shell script that completes verbs, options and paths.

The script contains all words, so completing a command starts no program.
"""

from __future__ import annotations

import argparse

SHELLS = ("bash", "zsh", "fish")

INSTALL = """\
to use it, once:
  bash  sdcoreml complete bash > ~/.local/share/bash-completion/completions/sdcoreml
  zsh   sdcoreml complete zsh > FOLDER/_sdcoreml, where FOLDER is one of $fpath
  fish  sdcoreml complete fish > ~/.config/fish/completions/sdcoreml.fish
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = INSTALL
    parser.add_argument("shell", choices=SHELLS, help="the shell to write the script for")


def run(args: argparse.Namespace) -> int:
    """Print the completion script."""
    import shtab

    print(shtab.complete(whole_parser(), shell=args.shell))
    return 0


def whole_parser() -> argparse.ArgumentParser:
    """Return one parser with all verbs, in which options that take a path complete paths."""
    from sdcoreml.doctor.cli import VERBS

    parser = argparse.ArgumentParser(prog="sdcoreml")
    parser.add_argument("--version", action="store_true", help="print the version")
    verbs = parser.add_subparsers()
    for verb in VERBS:
        one = verbs.add_parser(verb.name, help=verb.help)
        verb.load().configure(one)
        _offer_paths(one)
    return parser


def _offer_paths(parser: argparse.ArgumentParser) -> None:
    """Mark every argument that takes a path, in the parser and its subcommands.

    Commands in help lose their backticks: a shell would run them, and escaped, none of ours can be
    spelled.
    """
    import shtab

    from sdcoreml.ground.places import as_path

    for action in parser._actions:  # noqa: SLF001  argparse has no other list of them
        action.help = action.help and action.help.replace("`", "")
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for one in action.choices.values():
                _offer_paths(one)
        elif action.type is as_path or action.dest in PATHS:
            action.complete = shtab.FILE  # type: ignore[attr-defined]


PATHS = frozenset({"model", "path", "paths", "log", "lora", "embedding", "toolchain"})
"""Arguments that may be a path although their type is text."""
