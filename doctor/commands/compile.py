"""`sdcoreml compile`: compiles a `.mlpackage` to the `.mlmodelc` that apps load, without Xcode."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sdcoreml.convert.compile.compare import Compilation, Keep, compile_compared
from sdcoreml.convert.compile.xcode import XcodeCompiler, find_xcode
from sdcoreml.doctor.report.terminal import draw
from sdcoreml.ground.errors import SdcoremlError, UsageError
from sdcoreml.ground.places import as_path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("packages", nargs="+", type=as_path, metavar="PACKAGE", help="a .mlpackage")
    parser.add_argument(
        "-o", "--output", type=as_path, required=True, metavar="DIR", help="folder for the results"
    )
    parser.add_argument(
        "--with-xcode",
        action="store_true",
        help="keep what Apple's coremlcompiler makes (a Mac with Xcode only)",
    )
    parser.epilog = (
        "On a Mac with Xcode both compilers run and their results are compared; exit code 1 if"
        " they differ."
    )


def run(args: argparse.Namespace) -> int:
    """Compile each package; return 1 if our result differs from Xcode's."""
    return compile_each(
        args.packages, args.output, find_xcode(), Keep.APPLES if args.with_xcode else Keep.OURS
    )


def compile_each(
    packages: Sequence[Path], folder: Path, xcode: XcodeCompiler | None, keep: Keep
) -> int:
    """Compile the packages into `folder` and print a line for each; return the exit code."""
    _require_unique(packages)
    _require_folder(folder)
    if keep is Keep.APPLES and xcode is None:
        raise SdcoremlError(
            "no coremlcompiler here (it comes with the full Xcode, on a Mac)",
            where="--with-xcode",
            remedy="leave the option out, Xcode is not needed",
        )
    differ = False
    for package in packages:
        target = folder / f"{package.stem}.mlmodelc"
        with draw() as emit:
            outcome = compile_compared(package, target, xcode, keep, emit)
        print("\n".join(lines(outcome)), flush=True)
        differ |= bool(outcome.differences)
    return int(differ)


def lines(outcome: Compilation) -> list[str]:
    """Return the lines of text about one compiled model."""
    return [
        f"{outcome.path}: {outcome.verdict}",
        *(f"  {difference}" for difference in outcome.differences),
    ]


def _require_unique(packages: Sequence[Path]) -> None:
    repeated = [stem for stem, count in Counter(p.stem for p in packages).items() if count > 1]
    if repeated:
        raise UsageError(
            "several packages have this name, and would be compiled into the same folder",
            where=", ".join(repeated),
            remedy="compile them into different folders",
        )


def _require_folder(folder: Path) -> None:
    """Refuse a path whose nearest existing parent is a file."""
    existing = next(
        path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()
    )
    if not existing.is_dir():
        raise UsageError("is a file", where=existing, remedy="choose another folder for -o")
