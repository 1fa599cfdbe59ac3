"""`python -m sdcoreml` is `sdcoreml`."""

import sys

from sdcoreml.doctor.cli import main

if __name__ == "__main__":
    sys.exit(main())
