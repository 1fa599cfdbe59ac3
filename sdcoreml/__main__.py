"""`python -m sdcoreml` is `sdcoreml`; a failure during its import does not end in a traceback."""

import sys


def main() -> int:
    """Import the command line and run it; what the console script calls."""
    try:
        from sdcoreml.doctor.cli import main as run
    except KeyboardInterrupt:
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
