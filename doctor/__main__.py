"""`python -m doctor` is `sdcoreml`, from a bare clone; with no command it examines the machine.

Written for any Python 3: an older one must get as far as the sentence that says so.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036  the point of this file
    found = "{}.{}".format(*sys.version_info)
    sys.exit(
        "error: this is Python " + found + ", sdcoreml needs 3.10 or newer;"
        " install one (python.org, Homebrew, pyenv) and run it again"
    )

from sdcoreml.doctor.cli import main, meant

if __name__ == "__main__":
    sys.exit(main(meant(sys.argv[1:])))
