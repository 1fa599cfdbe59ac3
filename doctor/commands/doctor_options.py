"""The options of `sdcoreml doctor`, and what their words must look like."""

from __future__ import annotations

import argparse
import math
import os

from doctor.check import Status
from doctor.goal import GOALS
from doctor.report import FORMATS


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a model, a finished folder, or an upstream checkout",
    )
    parser.add_argument(
        "--goal", choices=GOALS, help="judge this goal alone, with the checks it needs"
    )
    parser.add_argument(
        "--toolchain",
        default=os.environ.get("TOOLCHAIN") or "tested",
        help="which toolchain (default: tested)",
    )
    parser.add_argument("--output", default="", metavar="FOLDER", help="where the result would go")
    parser.add_argument(
        "--attention", default="SPLIT_EINSUM", help="attention layout of the conversion"
    )
    parser.add_argument(
        "--size", default="", metavar="WxH", help="image size in pixels, such as 512x768"
    )
    parser.add_argument(
        "--select",
        action="extend",
        type=words,
        default=[],
        metavar="ID,...",
        help="run only these checks or families",
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="ID=REASON",
        help="demote what this check or family finds; the reason is shown",
    )
    parser.add_argument(
        "--deep",
        action="store_true",
        help="hash every file of the environment, import the pins in it",
    )
    parser.add_argument(
        "--fail-on",
        choices=[status.value for status in (Status.INFO, Status.WARNING, Status.ERROR)],
        default=Status.ERROR.value,
        help="exit 1 from this severity on (default: error)",
    )
    parser.add_argument(
        "--budget", type=seconds, default=0.0, metavar="SECONDS", help="leave out what takes longer"
    )
    parser.add_argument("--facts", metavar="FILE", help="judge the facts in a file instead")
    parser.add_argument("--save-facts", metavar="FILE", help="save the facts, without private data")
    parser.add_argument(
        "--compare", metavar="FILE", help="say what differs from the facts in a file"
    )
    parser.add_argument("--fix", action="store_true", help="run the safe fixes, then check again")
    parser.add_argument("--dry-run", action="store_true", help="with --fix: only show the plan")
    group = parser.add_mutually_exclusive_group()
    for name in FORMATS:
        group.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, help=f"write {name}"
        )


def words(text: str) -> list[str]:
    """The words of a list with commas.

    Raises:
        argparse.ArgumentTypeError: there is none in it, which would select everything.
    """
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} names no check; sdcoreml explain lists them")
    return found


def seconds(text: str) -> float:
    """A length of time from the command line.

    Raises:
        argparse.ArgumentTypeError: it is no number above zero.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 < value < math.inf:
        return value
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, such as 2 or 0.5")
