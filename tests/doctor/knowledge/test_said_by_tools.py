"""What pip, uv, docker and launchers say is told with what the rest of the log knows."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

SOURCE = """\
pip install paint
Collecting paint
  Using cached paint-0.2.0.tar.gz (2.6 MB)
  Getting requirements to build wheel ... error
  error: subprocess-exited-with-error

  \u00d7 Getting requirements to build wheel did not run successfully.
  \u2502 exit code: 1
  \u2570\u2500> [48 lines of output]
      Traceback (most recent call last):
        File "D:\\x\\venv\\Lib\\site-packages\\pip\\_vendor\\_in_process.py", line 389, in <module>
          main()
          ~~~~^^
"""
TOML = """\
warning: Failed to parse `pyproject.toml` during settings discovery:
  TOML parse error at line 32, column 1
     |
  32 | [project.urls]
     | ^
  invalid table header
  duplicate key `urls` in table `project`

error: Failed to parse: `pyproject.toml`
  Caused by: TOML parse error at line 32, column 1
   |
32 | [project.urls]
   | ^
invalid table header
duplicate key `urls` in table `project`
"""
PROXY = """\
fatal: unable to access 'https://github.com/me/paint.git/': Recv failure: Connection was reset
WARNING: Retrying (Retry(total=4, connect=None, read=None, redirect=None, status=None)) after \
connection broken by 'ProxyError('Cannot connect to proxy.', OSError(0, 'Error'))': /simple/paint/
"""
PATHS = """\
      ValueError: path '/__w/paint/paint/csrc/brush.cpp' cannot be absolute
      [end of output]
  ERROR: Failed building wheel for paint
"""
CONTAINER = """\
No checkpoints found. When searching for checkpoints, looked at:
 - file /stable-diffusion-webui/model.ckpt
 - directory /stable-diffusion-webui/models/Stable-diffusion
"""
UV = """\
error: Failed to download https://github.com/astral-sh/python-build-standalone/releases/download/\
20250818/cpython-3.12.11%2B20250818-x86_64-pc-windows-msvc-install_only_stripped.tar.gz
"""
IMAGE = " => ERROR [internal] load metadata for nvcr.io/{owner}/paint:23.09\n"
NOT_CLONED = "Warning: BLIP not found at path /w/webui/repositories/BLIP/models/blip.py\n"
EDITABLE = 'ERROR: File "setup.py" not found. Directory cannot be installed in editable mode: '
NIGHTLY = """\
Requirement already satisfied: mpmath in ./v/site-packages (from torch==2.0.0.dev20221220->x==1)
Traceback (most recent call last):
  File "/home/u/paint/main.py", line 3, in <module>
    import torchvision.transforms as T
ModuleNotFoundError: No module named 'torchvision'
"""
MATURIN = """\
  \u2570\u2500> [6 lines of output]
      maturin failed
        Caused by: Failed to parse Cargo.toml at Cargo.toml
        Caused by: invalid type: map, expected a string for key `package.license`
"""
TORCH = """\
  Using cached flash_attn-2.7.3.tar.gz (3.2 MB)
  Getting requirements to build wheel ... error
  error: subprocess-exited-with-error

  \u00d7 Getting requirements to build wheel did not run successfully.
"""
CYTHON = """\
error: Failed to download distributions
  Caused by: Failed to build: paint==1.10.0
  Caused by: Build backend failed to build wheel through `build_wheel()`:
--- stderr:
error: unknown file type '.py' (from 'paint/brush.py')
"""
HEREDOC = """\
Sending build context to Docker daemon   2.69kB
Error response from daemon: dockerfile parse error line 8: unknown instruction: CAT
"""
MIRROR = """\
  Using cached https://mirrors.paint.example/pypi/packages/17/paint-0.0.8-py3-none-any.whl (10 kB)
ERROR: Could not find a version that satisfies the requirement brush==2.1.3 \
(from versions: 2.1.0, 2.1.1)
"""
LIBINTL = """\
BUILD FAILED (OS X 15.1 using python-build 2.5.1)
  _libintl_textdomain, referenced from:
"""
LFS = """\
batch response: Post https://git.example/b.git/info/lfs/objects/batch: proxyconnect tcp: \
dial tcp: lookup proxy.paint: no such host
"""
RANGE = """\
Dependencies could not be resolved because no versions of 'brush' match the requirement \
1.0.0..<2.0.0 and root depends on 'brush' 1.0.0..<2.0.0.
"""
NUMPY = """\
ERROR: Could not find a version that satisfies the requirement numpy<3.0.0,>=2.0.0 \
(from versions: 1.3.0, 1.24.3, 1.24.4)
"""
RECORD = """\
WARNING: Error parsing requirements for numpy: [Errno 2] No such file or directory: \
'/x/lib/python3.10/site-packages/numpy-1.26.2.dist-info/METADATA'
"""
COLAB = """\
ModuleNotFoundError                       Traceback (most recent call last)
[/tmp/ipython-input-30784.py](https://localhost:8080/#) in <cell line: 0>()
----> 6 import einops
ModuleNotFoundError: No module named 'einops'
"""
AUTOCAST = "User specified autocast device_type must be 'cuda' or 'cpu'\n"


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (SOURCE, "family-build-failed", "paint==0.2.0 has no wheel for the Python that runs"),
        (SOURCE, "family-build-failed", "3.13 or newer"),
        (TOML, "toml-key-twice", "gives urls twice, the second time in line 32"),
        (PROXY, "family-unreachable", "a proxy of this computer"),
        (PATHS, "source-with-foreign-paths", "The source archive of paint"),
        (CONTAINER, "family-no-checkpoint", "runs in a container"),
        (UV, "uv-python-not-fetched", "a Python of its own (3.12.11)"),
        (IMAGE.format(owner="me"), "docker-metadata-not-loaded", "wants a login"),
        (IMAGE.format(owner="nvidia"), "docker-metadata-not-loaded", "open to all"),
        (NOT_CLONED, "webui-repositories-missing", "BLIP"),
        (EDITABLE + "x/latent-diffusion'\n", "folder-is-no-project", "copy of latent-diffusion"),
        (EDITABLE + "x/paint\n", "folder-is-no-project", "x/paint is none"),
        (NIGHTLY, "family-module-missing", "nightly build of torch (2.0.0.dev20221220)"),
        ("me@MacBook-Pro ~ % x\n" + AUTOCAST, "family-mps", "(mps)"),
        (MATURIN, "source-maturin-failed", "is too old for its Cargo.toml"),
        (TORCH, "source-wants-torch", "imports torch at once"),
        (CYTHON, "source-without-cython", "paint/brush.py has to be translated"),
        (HEREDOC, "dockerfile-syntax", "which only BuildKit reads"),
        (MIRROR, "family-no-such-version", "pip asks a mirror (mirrors.paint.example)"),
        (LIBINTL, "family-python-build", "gettext"),
        (LFS, "family-unreachable", "goes through a proxy (proxy.paint)"),
        (RANGE, "family-swift-packages", "knows no release of brush"),
        (NUMPY, "family-no-such-version", "so that Python 3.8 runs, for which it is the last"),
        (RECORD, "installed-record-damaged", "The record of numpy"),
        (COLAB, "family-module-missing", "in this Colab session"),
        ("./run: 1: Syntax error: word unexpected", "family-shell-script", "a compiled program"),
        ('x.sh: 10: Syntax error: "(" unexpected', "family-shell-script", "written for bash"),
        ("RuntimeError: Python version >= 3.5 required.", "source-needs-newer-python", "3.5"),
    ],
)
def test_a_tool_is_told_with_the_rest_of_its_log(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)


def test_the_source_that_pip_took_is_quoted() -> None:
    deciding = examine(SOURCE, entries()).deciding
    assert deciding is not None
    assert any("paint-0.2.0.tar.gz" in line.text for line in (deciding.line, *deciding.others))


@pytest.mark.parametrize(
    "log",
    [
        "Downloading paint-0.2.0.tar.gz (2.6 MB)\nSuccessfully installed paint-0.2.0\n",
        SOURCE.replace("Getting requirements to build wheel ...", "Building wheel for brush ..."),
    ],
)
def test_a_source_that_was_not_built_is_not_named(log: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is None or "0.2.0" not in cause.cause
