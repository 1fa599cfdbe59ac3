"""`python -m convert`."""

import sys

from sdcoreml.convert.cli import main

if __name__ == "__main__":
    sys.exit(main())
