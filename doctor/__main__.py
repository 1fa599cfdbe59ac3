"""`python -m doctor` is `sdcoreml`, from a bare clone; without a verb it examines the machine."""

import sys

try:
    from sdcoreml.doctor.cli import main, with_default_verb
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main(with_default_verb(sys.argv[1:])))
