"""`python -m sdcoreml` is `sdcoreml`."""

import sys

try:
    from sdcoreml.doctor.cli import main
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())
