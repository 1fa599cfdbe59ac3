"""sdcoreml: Stable Diffusion checkpoints to verified Core ML folders.

The floors are links to the folders at the top of the checkout; a wheel holds the folders
themselves. However it was installed, code is imported by this one name. This file is written for
any Python: an older one must get as far as the sentence that says what is needed.
"""

import sys

__version__ = "0.1.0"

if sys.version_info < (3, 10):  # noqa: UP036  a bare clone has no installer that would object
    sys.exit(
        "error: this is Python {}.{}, sdcoreml needs 3.10 or newer;"
        " install one (python.org, Homebrew, pyenv) and run it again".format(*sys.version_info)
    )
