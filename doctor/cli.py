"""The command line: one table of commands, one place where errors become exit codes."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import NoReturn

from sdcoreml.doctor.report.bug import report_bug
from sdcoreml.ground.errors import ExitCode, SdcoremlError
from sdcoreml.ground.visible import filtered, one_line

EPILOG = """\
examples:
  sdcoreml doctor                     can this machine convert? what is missing?
  sdcoreml doctor path/to/model       what is wrong with this model folder?
  sdcoreml env                        build the tested environment
  sdcoreml convert path/to/model      make a checked Core ML folder of it

exit codes: 0 fine, 1 problems found, 2 wrong usage, 3 bad input (doctor: could not look),
  4 unsafe pickle, 5 no space, 6 wrong numbers, 7 a child process died, 70 a bug of sdcoreml,
  130 interrupted.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A name, its line in `--help`, and the module that has `configure` and `run`."""

    name: str
    help: str

    def load(self) -> ModuleType:
        """Import the module; only the command that is run costs its imports."""
        return importlib.import_module(f"sdcoreml.doctor.commands.{self.name}")


COMMANDS = (
    Command(name="doctor", help="examine the machine, the toolchain, a model or a finished folder"),
    Command(name="env", help="build and prove the tested environment"),
    Command(
        name="convert",
        help="turn a Stable Diffusion folder or single file into a checked Core ML folder",
    ),
    Command(
        name="verify", help="check a finished Core ML folder again, alone or against its model"
    ),
    Command(
        name="recipe",
        help="measure which layers need their bits, and write a recipe for convert --recipe",
    ),
    Command(
        name="inspect",
        help="say what a checkpoint, model or finished folder is, and what can run it",
    ),
    Command(name="weights", help="write any checkpoint as clean, verified safetensors"),
    Command(name="compile", help="turn packages into compiled folders, without Xcode"),
    Command(name="explain", help="say what a check looks at, why, and what to do"),
    Command(name="diagnose", help="find the cause in the log of a failed conversion"),
)


def meant(argv: Sequence[str]) -> Sequence[str]:
    """The words of `python -m doctor` with their command: options and paths alone mean `doctor`."""
    first = argv[0] if argv else ""
    if first in {"-h", "--help", *(command.name for command in COMMANDS)}:
        return argv
    is_ours = not first or first.startswith("-") or os.path.lexists(first)
    return ("doctor", *argv) if is_ours else argv


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments, loading only the chosen command's module."""
    parser = argparse.ArgumentParser(
        prog="sdcoreml",
        description="Turns Stable Diffusion checkpoints into verified Core ML folders.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in argv if not word.startswith("-")), None)
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            help=command.help,
            description=command.help[0].upper() + command.help[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if command.name == chosen:
            module = command.load()
            module.configure(subparser)
            subparser.set_defaults(run=module.run)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before we began
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    args = parse(sys.argv[1:] if argv is None else argv)
    with filtered():
        return concluded(lambda: args.run(args))


def concluded(command: Callable[[], int]) -> int:
    """Run a command to its exit code: whatever ends it is one line, its faults excepted."""
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted; nothing half-made was left", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has what it wanted
        _write_no_more()
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename:
            raise
        _write_no_more()
        print("error: the output did not fit: no space left where it goes", file=sys.stderr)
        return ExitCode.NO_SPACE
    except SdcoremlError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        if error.explanation:
            print(error.explanation, file=sys.stderr)
        return error.exit_code
    except Exception as error:  # noqa: BLE001  whatever it is, a person gets one line
        print(f"error: {report_bug(error)}", file=sys.stderr)
        return ExitCode.BUG
    return code


def _write_no_more() -> None:
    """Let what is still to be written to the output go nowhere, without another complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(_signum: int, _frame: FrameType | None) -> NoReturn:
    """Leave as an exception does, so that every `finally` on the way out cleans up."""
    print("terminated; nothing half-made was left", file=sys.stderr)
    raise SystemExit(ExitCode.TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
