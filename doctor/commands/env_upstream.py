"""`sdcoreml env upstream`: obtains the upstream converter at its tested commit."""

from __future__ import annotations

import argparse

from sdcoreml.doctor.commands.env_common import Action, read_toolchain, shorten, toolchain_option
from sdcoreml.ground.places import expand_home

_SAID = {"there": "as the commit has it", "obtained": "obtained", "repaired": "repaired"}


def run(args: argparse.Namespace) -> int:
    """Obtain the commit, or repair it if files were changed; print what was done."""
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.upstream.fetch import is_address
    from sdcoreml.envs.upstream.store import obtain

    source = args.source if is_address(args.source) else str(expand_home(args.source or "."))
    with draw() as emit:
        kept = obtain(read_toolchain(args).upstream, source if args.source else "", emit=emit)
    print(f"{shorten(kept.path)}: {_SAID[kept.was]}, every file proved by its hash")
    print(f"commit {kept.commit}")
    return 0


def _options(parser: argparse.ArgumentParser) -> None:
    toolchain_option(parser)
    parser.add_argument(
        "--from",
        dest="source",
        default="",
        metavar="SOURCE",
        help="a clone on this machine, or a mirror's URL (default: the tested repository)",
    )


ACTIONS = (
    Action(
        name="upstream",
        help="obtain Apple's converter at the tested commit, or repair it",
        configure=_options,
        run=run,
    ),
)
