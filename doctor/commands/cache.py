"""`sdcoreml cache`: what is remembered of earlier conversions, and whether it still holds."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from sdcoreml.ground.errors import BadInputError, ExitCode
from sdcoreml.ground.quantity import amount


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "action",
        choices=tuple(ACTIONS),
        nargs="?",
        default="list",
        help="list: say what is there; gc: remove what is damaged, left over, or above the limit of"
        " 10 GB (SDCOREML_CACHE_LIMIT); verify: read all files that are kept or recorded (default:"
        " list)",
    )


def run(args: argparse.Namespace) -> int:
    """List, tidy or verify the cache.

    Raises:
        BadInputError: another version wrote it: what looks damaged may be what that one needs.
    """
    from sdcoreml.convert.cache.shelf import FORMAT, VARIABLE, cache_folder, format_of

    folder = cache_folder()
    said = format_of(folder)
    if said not in (None, f"{FORMAT}"):
        raise BadInputError(
            f"another version of sdcoreml wrote this cache ({said!r})",
            where=folder,
            remedy=f"use that version, or another cache: {VARIABLE}=/a/folder",
        )
    return ACTIONS[args.action](folder)


def show(folder: Path) -> int:
    """Print what the cache holds; it has no models and no weights."""
    from sdcoreml.convert.cache.care import KINDS, take_stock
    from sdcoreml.convert.cache.shelf import FILES
    from sdcoreml.convert.cache.stock import VARIABLE, limit_of_stock

    found, limit = take_stock(folder), amount(limit_of_stock())
    kinds = {**KINDS, FILES: f"files that outlive their folders, {limit} at most ({VARIABLE})"}
    for one in found:
        print(f"  {one.count:>6}  {amount(one.bytes):>9}  {kinds[one.kind]}")
    print(f"{folder}: {amount(sum(one.bytes for one in found))}")
    return ExitCode.FINE


def tidy(folder: Path) -> int:
    """Remove damaged records, unused locks, leftovers, and kept files above the limit."""
    from sdcoreml.convert.cache.care import tidy as remove
    from sdcoreml.convert.cache.stock import limit_of_stock
    from sdcoreml.ground.refusals import translate_os_errors

    with translate_os_errors(folder):
        gone = remove(folder, limit_of_stock())
    count = f"{len(gone)} file{'' if len(gone) == 1 else 's'} removed"
    print(f"{folder}: {count if gone else 'nothing to remove'}")
    return ExitCode.FINE


def verify(folder: Path) -> int:
    """Read the bytes of all recorded files, and say which have changed."""
    from sdcoreml.convert.cache.care import find_changed_files

    changed = 0
    for one in find_changed_files(folder):
        print(f"  {one.path}: {one.because}")
        changed += 1
    if not changed:
        print(f"{folder}: all recorded files that are there have their content")
        return ExitCode.FINE
    print(f"{folder}: {changed} changed; a conversion does not take them, and makes them again")
    return ExitCode.PROBLEMS


ACTIONS: Mapping[str, Callable[[Path], int]] = {"list": show, "gc": tidy, "verify": verify}
