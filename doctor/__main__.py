"""Runs `sdcoreml` in a bare clone, as `python -m doctor`; the default verb is `doctor`."""

import sys

try:
    from sdcoreml.doctor.cli import main, with_default_verb
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main(with_default_verb(sys.argv[1:])))
