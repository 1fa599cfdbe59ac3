"""What package managers, git and the network say is told as the case that the log is."""

from __future__ import annotations

import pytest

from tests.doctor.kin import expect_entry

SSL = """\
WARNING: pip is configured with locations that require TLS/SSL, however the ssl module in Python \
is not available.
Could not fetch URL https://index.example/simple/x/: There was a problem confirming the ssl \
certificate: HTTPSConnectionPool(host='index.example', port=443): Max retries exceeded with url: \
/simple/x/ (Caused by SSLError("Can't connect to HTTPS URL because the SSL module is not \
available.")) - skipping
ERROR: Could not find a version that satisfies the requirement x (from versions: none)
ERROR: No matching distribution found for x
"""
WHEEL = """\
error: Distribution `painter==7.1 @ registry+https://index.example/simple` can't be installed \
because it doesn't have a source distribution or wheel for the current platform

hint: You're using CPython 3.12 (`cp312`), but `painter` (v7.1) only has wheels with the following \
Python ABI tags: `cp310`, `cp311`
"""
GATED = """\
remote: Access to model paint/brush is restricted. You must have access to it and be authenticated \
to access it. Please log in.
fatal: Authentication failed for 'https://huggingface.co/paint/brush/'
"""
SUBMODULE = """\
git@git.example: Permission denied (publickey).
fatal: Could not read from remote repository.
fatal: clone of 'git@git.example:x/y.git' into submodule path '/x/third_party/y' failed
"""
CRC = """\
  \u00d7 Failed to download `painter==2.1.0`
  \u251c\u2500\u25b6 Failed to extract archive: painter-2.1.0.whl
  \u2570\u2500\u25b6 Bad CRC (got 1ab54c29, expected 6f3c1130) for file: paint/libpaint.dylib
"""
PROXY = """\
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after \
connection broken by 'ProxyError('Cannot connect to proxy.', NewConnectionError('<x>: Failed to \
establish a new connection: [Errno 61] Connection refused'))': /simple/x/
ERROR: Could not find a version that satisfies the requirement x (from versions: none)
ERROR: No matching distribution found for x
"""
SHORT = """\
error: incomplete-download

\u00d7 Download failed because not enough bytes were received (1.1 GB/2.2 GB)
\u2570\u2500> URL: https://index.example/x.whl
"""
INSTALLED = """\
error: invalid-installed-package

\u00d7 Cannot process installed package paint 2.0.6 in '/x/site-packages' because it has an \
invalid requirement:
"""
UTF16 = """\
  File "/x/pip/_internal/req/req_file.py", line 541, in get_file_content
    content = auto_decode(f.read())
UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte
"""
GIT = """\
ERROR: Error [Errno 2] No such file or directory: 'git' while executing command git version
ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?
"""
MAC = """\
Error: Command '['/Users/me/sd/venv/bin/python3.10', '-Im', 'ensurepip', '--upgrade', \
'--default-pip']' returned non-zero exit status 1.
"""
LISTS = """\
    Traceback (most recent call last):
      File "/opt/x/lib/python3.11/site-packages/conda/gateways/repodata/__init__.py", line 640
        raise json.JSONDecodeError(
    json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
"""


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (SSL, "pip-without-ssl", "built without OpenSSL"),
        (WHEEL, "family-no-platform-wheel", "only for others (`cp310`, `cp311`)"),
        (GATED, "git-hub-token", "paint/brush is gated"),
        (SUBMODULE, "family-submodule-not-fetched", "one for SSH"),
        (CRC, "uv-archive-damaged", "uv cache clean"),
        (PROXY, "proxy-not-there", "does not answer"),
        (SHORT, "pip-download-cut", "1.1 GB of 2.2 GB came"),
        (INSTALLED, "pip-invalid-installed", "paint 2.0.6 is installed"),
        (UTF16, "family-encoding", "UTF-16"),
        (GIT, "git-missing-for-vcs-install", "git"),
        (MAC, "family-venv-not-made", "Python that the environment is made from is broken"),
        (
            "fatal: repository 'https://git.example/paint/brush/tree/main/' not found\n",
            "git-no-such-repository",
            "git clone https://git.example/paint/brush.",
        ),
        (
            "xcode-select: note: No developer tools were found, requesting install.\n",
            "developer-tools-asked-for",
            "command line tools",
        ),
        (
            (
                "Looking in indexes: https://download.pytorch.org/whl/cu118\nERROR: Could not find"
                " a version that satisfies the requirement torch (from versions: none)\n"
            ),
            "family-no-versions-at-all",
            "pip looked into https://download.pytorch.org/whl/cu118 alone",
        ),
        (
            (
                "remote: Permission to paint/brush.git denied to me.\nfatal: unable to access"
                " 'https://git.example/paint/brush.git/': The requested URL returned error: 403\n"
            ),
            "family-access-denied",
            "may not push to paint/brush",
        ),
        (
            "fatal: unable to access 'https://git.example/x/': Error in the HTTP2 framing layer\n",
            "family-unreachable",
            "HTTP/1.1",
        ),
        (
            "Error: Cask 'paint' is unavailable: No Cask with this name exists.\n",
            "family-brew-gone",
            "no formula paint",
        ),
        (LISTS, "family-config-damaged", "conda clean --index-cache"),
        (
            (
                "Python 3.11.5\nERROR: x-2.0-cp310-none-macosx_11_0_arm64.whl is not a supported"
                " wheel on this platform.\n"
            ),
            "wheel-not-supported-on-platform",
            "for Python 3.10 (cp310 in its name), and Python 3.11 runs",
        ),
        (
            (
                "ERROR: Can not combine '--user' and '--prefix' as they imply different"
                " installation locations\n"
            ),
            "pip-options-exclude",
            "--user and --prefix",
        ),
        (
            "EnvironmentIsFrozenError: Cannot modify '/x'. The environment is marked as frozen.\n",
            "conda-base-frozen",
            "/x",
        ),
        (
            (
                "NoChannelsConfiguredError: No channels are configured. Conda requires at least one"
                " channel to search for packages.\n"
            ),
            "conda-without-channels",
            "conda-forge",
        ),
        (
            "Error: Cannot install paint because conflicting formulae are installed.\n",
            "brew-two-formulae",
            "brew unlink",
        ),
        (
            "pyenv: cannot rehash: /x/shims/.pyenv-shim exists\n",
            "pyenv-rehash-lock",
            "rm /x/shims/.pyenv-shim",
        ),
        (
            "fatal: unable to access 'https://git.example/x/': Empty reply from server\n",
            "family-unreachable",
            "closed it without an answer",
        ),
        (
            "OSError: [Errno 122] Disk quota exceeded\n",
            "family-disk-full",
            "its quota",
        ),
        (
            "ModuleNotFoundError: No module named '_lzma'\n",
            "family-python-without-library",
            "without liblzma (xz)",
        ),
        (
            (
                "kex_exchange_identification: Connection closed by remote host\nfatal: Could not"
                " read from remote repository.\n"
            ),
            "ssh-port-closed",
            "Take https",
        ),
    ],
)
def test_the_case_is_told(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)
