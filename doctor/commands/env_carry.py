"""`sdcoreml env export` and `import`: move an environment to a machine without a network."""

from __future__ import annotations

import argparse

from sdcoreml.doctor.commands.env_common import (
    Action,
    environment_options,
    read_option,
    read_source,
    read_toolchain_in_use,
    require_environment,
    shorten,
    source_options,
)
from sdcoreml.ground.errors import EnvError
from sdcoreml.ground.places import as_path
from sdcoreml.ground.quantity import amount


def export_archive(args: argparse.Namespace) -> int:
    """Pack the wheels, lock and seal of the environment into one file."""
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.care.archive import export_environment

    path, found = args.file, require_environment(args)
    if found.conda:
        raise EnvError(
            "a conda environment cannot be exported",
            where=found.path,
            remedy="export the toolchain's venv (--backend venv), or use the explicit "
            "lock that `sdcoreml env conda-files` writes",
        )
    with draw() as emit:
        record = export_environment(
            found, read_toolchain_in_use(args), path, source=read_source(args), emit=emit
        )
    size = amount(path.stat().st_size)
    print(f"{shorten(path)}: {record.toolchain} for {record.target}, {size}")
    print(f"seal {record.seal}")
    return 0


def import_archive(args: argparse.Namespace) -> int:
    """Build the environment from an exported file, and put it into use if the seal matches."""
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.care.archive import import_environment

    with draw() as emit:
        made = import_environment(args.file, python=read_option(args, "python"), emit=emit)
    print(f"{made.title}: {shorten(made.path)}, built from {shorten(args.file)}\nseal {made.seal}")
    return 0


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=as_path, metavar="FILE")
    environment_options(parser)
    source_options(parser)


def _import_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=as_path, metavar="FILE")
    hidden = argparse.SUPPRESS
    parser.add_argument(
        "--python", type=as_path, metavar="PATH", default=hidden, help="the Python to build with"
    )


ACTIONS = (
    Action(
        name="export", help="pack it into one file", configure=_export_options, run=export_archive
    ),
    Action(
        name="import", help="build it from that file", configure=_import_options, run=import_archive
    ),
)
