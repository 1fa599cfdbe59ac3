"""`python -m sdcoreml` is `sdcoreml`."""

from __future__ import annotations

import sys

from sdcoreml.doctor.cli import main

if __name__ == "__main__":
    sys.exit(main())
