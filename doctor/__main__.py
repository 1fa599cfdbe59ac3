"""`python -m doctor` is `sdcoreml`, from a bare clone; with no command it examines the machine."""

import sys

from sdcoreml.doctor.cli import main, meant

if __name__ == "__main__":
    sys.exit(main(meant(sys.argv[1:])))
