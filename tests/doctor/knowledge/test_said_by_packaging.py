"""What packages, their builds and their managers say is told as the case that the log is."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Role, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

SOURCE = """\
  File "<stdin>", line 1, in <module>
  File "/home/u/src/torchvision/extension.py", line 46, in <module>
    from torchvision import _C
ModuleNotFoundError: No module named 'torchvision._C'
"""
GONE = """\
Cloning into 'Paint'...
fatal: remote error:
  Repository not found.
Clone of 'git://git.example/x/paint.git' into submodule path 'Paint' failed
"""
UV = """\
$ uv pip install paint
Using Python 3.11.11 environment at: /Users/me/env
Installed 1 package in 9ms
 + paint==1.0.8
$ python -c "import paint"
Traceback (most recent call last):
  File "<string>", line 1, in <module>
ModuleNotFoundError: No module named 'paint'
"""
CHANNEL = """\
UnavailableInvalidChannel: The channel is not accessible or is invalid.
  channel name: paint
  channel url: https://conda.example/mirror/paint
  error code: 404
"""
POETRY = """\
  Command '['/Users/me/.venv/bin/python', '-m', 'pip', 'install', '--no-deps', \
'/Users/me/Library/Caches/paint-1.13.0+cu116-cp310-cp310-linux_x86_64.whl']' returned non-zero \
exit status 1.
"""


def _symbol(name: str) -> str:
    return f"ImportError: /x/site-packages/paint/_ext.so: undefined symbol: {name}\n"


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (_symbol("PySlice_Unpack"), "extension-of-other-python", "since 3.6.1"),
        (_symbol("PyInt_FromLong"), "extension-of-other-python", "Python 2"),
        (_symbol("PyFPE_jbuf"), "extension-of-other-python", "before 3.7"),
        (_symbol("PyUnicode_GetSize"), "extension-of-other-python", "3.12 has dropped"),
        (_symbol("PyObject_CallOneArg"), "extension-of-other-python", "since 3.9"),
        (_symbol("_PyGen_Send"), "extension-of-other-python", "another release of Python"),
        (SOURCE, "source-folder-in-place-of-package", "source of torchvision"),
        (GONE, "family-submodule-not-fetched", "git://git.example/x/paint.git is not there"),
        (UV, "family-module-missing", "uv did install paint"),
        (CHANNEL, "conda-channel-refused", "no channel paint at https://conda.example"),
        (POETRY, "wheel-of-linux-on-this-system", "this is a Mac"),
        (
            "# error: No Python interpreters found in virtual environments\n",
            "uv-no-environment-here",
            "uv venv",
        ),
        ('Could not find "protoc" executable!\n', "protoc-not-installed", "protobuf-compiler"),
        (
            (
                'x.proto:1:10: Unrecognized syntax identifier "proto3".  This parser only '
                'recognizes "proto2".\n'
            ),
            "protoc-too-old",
            "older than the .proto file",
        ),
        (
            "Unable to find installation candidates for torch (2.0.1)\n",
            "family-no-platform-wheel",
            "ends at Python 3.11",
        ),
        (
            "RuntimeError: Compression requires the (missing) zlib module\n",
            "family-python-without-library",
            "without zlib",
        ),
        (
            (
                "Python/random.c:106:19: error: implicit declaration of function 'getentropy' is "
                "invalid in C99 [-Werror,-Wimplicit-function-dec\n"
            ),
            "family-source-for-other-compiler",
            "An old release of Python",
        ),
    ],
)
def test_the_case_is_told(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)


@pytest.mark.parametrize(
    ("log", "stranger"),
    [
        (_symbol("PyTorch_version"), "extension-of-other-python"),
        (_symbol("PyArray_API"), "extension-of-other-python"),
        (
            SOURCE.replace("/home/u/src", "/x/site-packages"),
            "source-folder-in-place-of-package",
        ),
        ("Installing build dependencies: Failed\n", "wheel-of-linux-on-this-system"),
        ("/x/setup.py\nFileNotFoundError: '/x/paint/setup.py'\n", "pip-older-than-pyproject"),
        ("# error: this is a comment of a script\n", "uv-no-environment-here"),
    ],
)
def test_what_only_looks_like_it_is_told_otherwise(log: str, stranger: str) -> None:
    found = examine(log, entries()).matches
    assert stranger not in {one.entry.id for one in found if one.role is not Role.HARMLESS}
