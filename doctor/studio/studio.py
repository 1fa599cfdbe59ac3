"""`sdcoreml studio`: opens a page on this machine to convert models with, in the browser.

This verb stands in its own room, since the page needs what other verbs do.
"""

from __future__ import annotations

import argparse
import sys

from sdcoreml.doctor.queue.store import open_queue
from sdcoreml.doctor.studio.packages import require_packages
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.places import environments_folder

_LARGEST_PORT = 65535


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--port",
        type=int,
        help="the port on this machine to serve the page at; 0 takes a free one (default: the"
        " last one's)",
    )
    parser.add_argument(
        "--no-browser",
        action="store_true",
        help="only print the address, to be opened in a browser of your choice",
    )


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    from sdcoreml.doctor.report.terminal import Lines

    if args.port is not None and not 0 <= args.port <= _LARGEST_PORT:
        raise UsageError(f"no port is {args.port}", remedy="give 0 to 65535")
    require_packages(environments_folder(), Lines(sys.stderr))
    from sdcoreml.doctor.studio.serve import open_in_browser, serve

    def stay_here(_address: str) -> None:
        """Open nothing."""

    open_page = stay_here if args.no_browser else open_in_browser
    return serve(open_queue(), args.port, open_page, _say)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
