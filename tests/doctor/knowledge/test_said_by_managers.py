"""What package managers, git and the network say is told as the case that the log is."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine

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
LISTS = """\
    Traceback (most recent call last):
      File "/opt/x/lib/python3.11/site-packages/conda/gateways/repodata/__init__.py", line 640
        raise json.JSONDecodeError(
    json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
"""


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (SSL, "python-without-ssl", "built without OpenSSL"),
        (WHEEL, "family-no-platform-wheel", "only for others (`cp310`, `cp311`)"),
        (GATED, "git-hub-token", "paint/brush is gated"),
        (SUBMODULE, "family-submodule-not-fetched", "one for SSH"),
        (CRC, "uv-archive-damaged", "uv cache clean"),
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
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.entry.id == name
    assert said in cause.cause + cause.fix
