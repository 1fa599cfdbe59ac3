"""Entry point of `python -m convert`."""

import sys

try:
    from sdcoreml.convert.cli import main
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())
