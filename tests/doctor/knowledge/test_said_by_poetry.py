"""What Poetry, pipx, pip's builds and shells say is told as what the log shows."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

ASIDE = """\
ERROR: Ignored the following versions that require a different python version: 0.55.2 \
Requires-Python <3.5; 1.21.2 Requires-Python >=3.7,<3.11; 1.21.6 Requires-Python >=3.7,<3.11
ERROR: Could not find a version that satisfies the requirement torch==1.12.1 (from versions: none)
"""
LINKER = """\
\u00d7 pip subprocess to install build dependencies did not run successfully.
\u2502 exit code: 1
\u2570\u2500> [8 lines of output]
    WARNING: Retrying (Retry(total=4)) after connection broken by 'ProxyError('Cannot connect to \
proxy.', TimeoutError('_ssl.c:980: The handshake operation timed out'))': /pypi/simple/setuptools/
"""
CONDA_GIT = """\
Pip subprocess error:
  ERROR: Error [WinError 2] The system cannot find the file specified while executing command git \
clone -q https://git.example/x/y.git 'C:\\x y\\z'
ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?

failed

CondaEnvException: Pip failed
"""
QUOTES = """\
*** RuntimeError: Couldn't install requirements for painter.
*** Command: "D:\\paint\\python\\python.exe" -m pip install 'painter<=0.23.0' --prefer-binary
*** Error code: 1
*** stderr: \u03f5\u0373\u04b2
"""
LOCK = """\
error: Failed to parse `uv.lock`
  Caused by: TOML parse error at line 5537, column 1
     |
5537 | [[package]]
     | ^^^^^^^^^^^
missing field `version`
"""


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (ASIDE, "torch-not-for-this-python", "no builds for Python 3.11 or newer"),
        (LINKER, "build-tools-not-fetched", "A proxy is set"),
        (CONDA_GIT, "git-missing-for-vcs-install", "not in this shell's PATH"),
        (QUOTES, "single-quotes-in-cmd", "'painter<=0.23.0' in single quotes"),
        (LOCK, "family-config-syntax", "older than the one that wrote uv.lock"),
        ('Error code: 1 stderr: ""git"" \u096d \u8b65', "family-command-missing", "garbled"),
        (
            "./start.sh: ligne 5: micromamba : commande introuvable",
            "conda-is-not-in-path",
            "The script ./start.sh calls micromamba",
        ),
        (
            (
                "ERROR: x-1.6.0-cp38-cp38-macosx_11_1_arm64.whl is not a supported wheel on this"
                " platform."
            ),
            "wheel-not-supported-on-platform",
            "macosx_11_0_arm64",
        ),
        ("make: uv: No such file or directory", "family-command-missing", "The Makefile calls uv"),
        (
            "paint.py: error: the following arguments are required: -o\n--size: command not found",
            "typed-line-broken",
            "a space behind it",
        ),
        (
            "The requested command export does not exist.\n$ poetry export",
            "poetry-command-moved",
            "poetry-plugin-export",
        ),
        ('The option "--no-dev" does not exist', "poetry-option-gone", "Poetry 2 took --no-dev"),
        ('The option "--with" does not exist', "poetry-option-gone", "too old for --with"),
        (
            (
                "The Poetry configuration is invalid:\n  - Additional properties are not allowed"
                " ('group' was unexpected)"
            ),
            "poetry-settings-refused",
            "does not know group",
        ),
        (
            "Authorization error accessing https://download.pytorch.org/whl/cu118/painter/",
            "poetry-index-forbidden",
            "asks PyTorch's index for painter",
        ),
        (
            (
                "\u2570\u2500\u25b6 Because only paint<4.0 is available and you require"
                " paint>=4.0b1, we\nhint: Pre-releases are available for `paint` in the"
                " requested range"
            ),
            "resolver-no-release",
            "only a pre-release",
        ),
    ],
)
def test_it_is_told_as_the_case_that_it_is(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)


@pytest.mark.parametrize(
    ("log", "name"),
    [
        ("make: *** [Makefile:9: install] Error 127", "family-command-missing"),
        ("note: expanded from macro 'fdopen'", "zlib-of-source-too-old"),
        ("Command: \"/x/python\" -m pip install 'paint<2'", "single-quotes-in-cmd"),
        ("Error: [Errno 1] Operation not permitted: '/x/lib'", "venv-without-links"),
    ],
)
def test_what_is_another_thing_is_not_told_so(log: str, name: str) -> None:
    told = [one.entry.id for one in examine(log, entries()).matches]
    assert name not in told


def test_what_pip_set_aside_says_nothing_where_the_python_may_fit() -> None:
    log = ASIDE.replace("<3.11", "<3.9")
    told = examine(log, entries()).matches
    assert all(
        one.entry.id != "torch-not-for-this-python" or one.confidence is Confidence.GUESS
        for one in told
    )
