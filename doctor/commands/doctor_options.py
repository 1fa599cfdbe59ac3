"""The options of `sdcoreml doctor`, and the parsing of their values."""

from __future__ import annotations

import argparse

from sdcoreml.doctor.commands.named_models import as_model
from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.core.goal import GOALS
from sdcoreml.doctor.report import FORMATS
from sdcoreml.ground.places import as_path


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    _declare_job(parser)
    _declare_choice(parser)
    _declare_facts(parser)
    formats = parser.add_mutually_exclusive_group()
    for name in FORMATS:
        formats.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, help=f"write {name}"
        )
    parser.add_argument("--html", type=as_path, metavar="FILE", help="write a page, too")


def _declare_job(parser: argparse.ArgumentParser) -> None:
    """Declare the options for what to examine."""
    add = parser.add_argument
    add(
        "paths",
        nargs="*",
        type=as_model,
        metavar="PATH",
        help="a model (or its name on the hub), a finished folder, or an upstream checkout",
    )
    add("--goal", choices=GOALS, help="judge this goal alone, with the checks it needs")
    add_toolchain(parser)
    add("--output", type=as_path, metavar="FOLDER", help="where the result would go")
    add("--attention", default="SPLIT_EINSUM", help="attention layout of the conversion")
    add("--size", default="", metavar="WxH", help="image size in pixels, such as 512x768")


def _declare_choice(parser: argparse.ArgumentParser) -> None:
    """Declare the options for the checks to run, their time limit, and what counts as a failure."""
    add = parser.add_argument
    add(
        "--select",
        action="extend",
        type=words,
        default=[],
        metavar="ID,...",
        help="run only these checks or families",
    )
    add(
        "--ignore",
        action="append",
        default=[],
        metavar="ID=REASON",
        help="demote what this check or family finds; the reason is shown",
    )
    add("--deep", action="store_true", help="hash every file of the environment, import its pins")
    add(
        "--fail-on",
        choices=[status.value for status in (Status.INFO, Status.WARNING, Status.ERROR)],
        default=Status.ERROR.value,
        help="exit 1 from this severity on (default: error)",
    )


def _declare_facts(parser: argparse.ArgumentParser) -> None:
    """Declare the options to load, save and compare facts, and to apply fixes."""
    add = parser.add_argument
    add("--facts", type=as_path, metavar="FILE", help="judge the facts in a file instead")
    add("--save-facts", type=as_path, metavar="FILE", help="save the facts, without private data")
    add("--compare", type=as_path, metavar="FILE", help="say what differs from the facts in a file")
    add("--fix", action="store_true", help="run the safe fixes, then check again")
    add("--dry-run", action="store_true", help="with --fix: only show the plan")


def words(text: str) -> list[str]:
    """Split a list with commas into words.

    Raises:
        argparse.ArgumentTypeError: the list is empty, which would select everything.
    """
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} names no check; `sdcoreml explain` lists them")
    return found
