"""The command line: the table of verbs, and the text of `--help`."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType

import sdcoreml
from sdcoreml.ground.advice import start_here
from sdcoreml.ground.arguments import Parser, suggest
from sdcoreml.ground.collector import collect_rarely
from sdcoreml.ground.errors import BadInputError, ExitCode, UsageError
from sdcoreml.ground.exits import run_to_exit_code
from sdcoreml.ground.lifeline import end_with_starter
from sdcoreml.ground.signals import end_on_signals
from sdcoreml.ground.visible import filter_output

INTRODUCTION = """\
sdcoreml turns Stable Diffusion checkpoints into Core ML folders that Mochi
Diffusion and Apple's Swift package open, and checks every program it writes
against the original model.

usage: {tool} VERB ...
"""

MORE = """\
`sdcoreml VERB --help` shows the options of a verb; `sdcoreml help --all` lists
every verb; `sdcoreml --version` says which sdcoreml this is.
"""

EPILOG = """\
exit codes:
  0    success
  1    problems were found
  2    wrong usage
  3    bad input; for doctor, something could not be examined
  4    a pickle is unsafe (none of it was executed)
  5    not enough disk space
  6    a program computes wrong numbers
  7    a child process died
  70   a bug of sdcoreml; the error names a log to report it with
  130  interrupted (129 when the terminal was closed, 143 when terminated)
"""


EXAMPLES = (
    ("doctor", "Can this machine convert? What is missing?"),
    ("doctor path/to/model", "What is wrong with this model?"),
    ("env", "Build the tested environment."),
    ("convert path/to/model", "Convert a model into a checked Core ML folder."),
)
"""Example commands for `--help`, with their purposes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A verb, its line in `--help`, and the name of its module, which has `configure` and `run`.

    The module is `commands.NAME`, or what `module` says: the page stands above other verbs, whose
    functions it calls. If `sweeps`, the leftovers of killed runs are removed before the verb runs.
    """

    name: str
    help: str
    is_everyday: bool = True
    sweeps: bool = False
    module: str = ""

    def load(self) -> ModuleType:
        """Import the verb's module; other verbs' modules are not imported."""
        return importlib.import_module(f"sdcoreml.doctor.{self.module or f'commands.{self.name}'}")


VERBS = (
    Verb(name="doctor", help="find what is wrong with this machine, a model or a folder"),
    Verb(name="env", help="build the tested environment, which conversion runs in", sweeps=True),
    Verb(
        name="convert",
        help="turn a model or a ControlNet into a checked Core ML folder",
        sweeps=True,
    ),
    Verb(name="jobs", help="convert many models, as a file says, and nothing twice", sweeps=True),
    Verb(
        name="verify", help="check a finished folder again, alone or against its model", sweeps=True
    ),
    Verb(name="draw", help="draw a picture with a finished folder, on any system", sweeps=True),
    Verb(name="inspect", help="show what a checkpoint or folder is, and what can run it"),
    Verb(name="weights", help="rewrite any checkpoint as clean, verified safetensors", sweeps=True),
    Verb(name="library", help="list the models of an app, and what will not run or be shown"),
    Verb(name="diagnose", help="find the cause in the log of a failed conversion"),
    Verb(name="explain", help="describe a check or a known failure, and what to do"),
    Verb(
        name="studio",
        help="open one page in the browser for all of this: choose, convert, look",
        module="studio.studio",
    ),
    Verb(
        name="report",
        help="write a page about a folder, with the times of its run and pictures",
        is_everyday=False,
        sweeps=True,
    ),
    Verb(
        name="pack",
        help="pack finished folders for others, as apps look for them, with a card",
        is_everyday=False,
        sweeps=True,
    ),
    Verb(
        name="recipe",
        help="measure the bits each layer needs, for convert --recipe",
        is_everyday=False,
        sweeps=True,
    ),
    Verb(
        name="sources",
        help="say where other programs keep models, to find them by name",
        is_everyday=False,
    ),
    Verb(
        name="queue",
        help="convert models one after another, and go on whatever happens",
        is_everyday=False,
    ),
    Verb(
        name="worker",
        help="make folders for the jobs of another machine, or begin a cluster",
        is_everyday=False,
        sweeps=True,
    ),
    Verb(name="compile", help="compile packages without Xcode", is_everyday=False, sweeps=True),
    Verb(
        name="cache",
        help="say what is remembered of conversions, tidy it, or check it",
        is_everyday=False,
    ),
    Verb(name="clean", help="remove what interrupted runs left, and caches", is_everyday=False),
    Verb(name="complete", help="print what a shell needs to complete", is_everyday=False),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    collect_rarely()
    end_on_signals()
    end_with_starter()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before we began
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    words = sys.argv[1:] if argv is None else argv
    with filter_output():
        return run_to_exit_code(lambda: run(words))


def run(words: Sequence[str]) -> int:
    """Run the verb that the command line names, or show help."""
    require_here()
    everyday = [verb for verb in VERBS if verb.is_everyday]
    match tuple(words):
        case ():
            print(help_page(everyday), end="", file=sys.stderr)
            return ExitCode.USAGE
        case ("-h" | "--help",):
            print(help_page(everyday), end="")
            return ExitCode.FINE
        case ("--version" | "-V",):
            print(f"sdcoreml {sdcoreml.__version__}")
            return ExitCode.FINE
        case ("help",) | ("help", "--all" | "-h" | "--help"):
            print(help_page(VERBS), end="")
            return ExitCode.FINE
        case ("help", *rest):
            words = (*rest, "--help")
    args = parse(words)
    if args.sweeps:
        from sdcoreml.doctor.core.workplaces import sweep_workplaces

        sweep_workplaces(lambda line: print(line, file=sys.stderr))
    code: int = args.run(args)
    return code


def require_here() -> None:
    """Refuse to run if the current folder was removed, since `os.getcwd` would fail.

    Raises:
        BadInputError: the current folder does not exist.
    """
    try:
        os.getcwd()  # noqa: PTH109  it is the answer that counts
    except OSError:
        raise BadInputError(
            "the current folder does not exist any more", remedy="change to another folder (cd)"
        ) from None


def help_page(verbs: Iterable[Verb]) -> str:
    """Return the text of `--help`: a description, the verbs, examples and exit codes."""
    lines = "".join(f"  {verb.name:<10}{verb.help}\n" for verb in verbs)
    tool = shlex.join(start_here().program)
    width = len(tool) + 24
    examples = "".join(f"  {f'{tool} {words}':<{width}} {what}\n" for words, what in EXAMPLES)
    head = INTRODUCTION.format(tool=tool)
    return f"{head}\n{lines}\n{MORE}\nexamples:\n{examples}\n{EPILOG}"


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse a verb and its options; only that verb's module is imported.

    The result also has the verb's `run`, and the given `words`, to quote the command in advice.

    Raises:
        UsageError: there is no such verb.
        SystemExit: the options are wrong, or help was asked for.
    """
    name, *options = words
    verb = next((verb for verb in VERBS if verb.name == name), None)
    if verb is None:
        names = [verb.name for verb in VERBS]
        raise UsageError(
            f"there is no verb {name}",
            remedy=suggest(name, names) or "`sdcoreml --help` lists the verbs",
        )
    parser = Parser(
        prog=f"{shlex.join(start_here().program)} {verb.name}",
        description=f"{verb.help[0].upper()}{verb.help[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module = verb.load()
    module.configure(parser)
    args = parser.parse_or_suggest(options)
    args.run, args.typed, args.sweeps = module.run, tuple(words), verb.sweeps
    return args


def with_default_verb(words: Sequence[str]) -> Sequence[str]:
    """Return the arguments of `python -m doctor`, with `doctor` put first if no verb is given."""
    first = words[0] if words else ""
    if first in {"-h", "--help", "help", *(verb.name for verb in VERBS)}:
        return words
    is_ours = not first or first.startswith("-") or os.path.lexists(first)
    return ("doctor", *words) if is_ours else words


if __name__ == "__main__":
    sys.exit(main())
