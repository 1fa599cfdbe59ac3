"""`python -m sdcoreml` is `sdcoreml`; a failure during its import does not end in a traceback."""

import os
import sys

import sdcoreml


def main() -> int:
    """Import the command line and run it; what the console script calls."""
    if sys.argv[1:] == ["--version"] and print_version():
        return 0
    try:
        from sdcoreml.doctor.cli import main as run
    except KeyboardInterrupt:
        return 130
    return run()


def print_version() -> bool:
    """Print the version without the imports of the command line; return whether it was possible.

    Programs ask for it often. Where it fails, the command line tells why.
    """
    text = ("sdcoreml " + sdcoreml.__version__ + "\n").encode("ascii")  # any Python must parse it
    try:
        return os.write(1, text) == len(text)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
