"""Runs child processes without the user's settings, except those that give network access."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.envs.mirrors.mirror import certificates

KEPT = frozenset(
    {
        # The user, the home folder and temporary folders.
        *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TERM"),
        *("TMPDIR", "XDG_CACHE_HOME", "UV_CACHE_DIR", "PIP_CACHE_DIR"),
        # Proxies, certificates and logins; hashes are checked whatever these are.
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "NIX_SSL_CERT_FILE", "PIP_CERT"),
        *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS"),
        *("PIP_TRUSTED_HOST", "UV_INSECURE_HOST"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("UV_HTTP_RETRIES", "UV_HTTP_TIMEOUT", "PIP_RETRIES", "PIP_DEFAULT_TIMEOUT"),
    }
)
_FIXED = {
    "PIP_CONFIG_FILE": os.devnull,  # the only value that also disables the system-wide file
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PYTHONNOUSERSITE": "1",
    "SOURCE_DATE_EPOCH": "315532800",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessResult:
    """The result of a child process: its exit code and output."""

    code: int
    out: str
    err: str


def clean_environ(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for a child process, without PYTHON*, PIP_*, UV_* and the like."""
    kept = {key: value for key, value in environ.items() if key.upper() in KEPT}
    # A certificate file set for any program is meant for all; uv reads this variable alone.
    trusted = {"SSL_CERT_FILE": path} if (path := certificates(environ)) else {}
    return trusted | kept | _FIXED


def isolate(python: Path) -> tuple[str, ...]:
    """Return the start of a command that runs `python` without the user's settings."""
    return (os.fspath(python), "-I")


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
    words: str = "",
) -> ProcessResult:
    """Run a command to its end with a clean environment and `words` as its stdin.

    `keep` are descriptors for the child to inherit: a child that outlives its killed parent then
    still holds the parent's file lock. Raises `OSError` if the command cannot be started.
    """
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        cwd=cwd,
        env=clean_environ() | dict(environ or {}),
        pass_fds=keep,
        input=words.encode("utf-8", "surrogateescape"),
    )
    out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    return ProcessResult(code=done.returncode, out=out, err=err)
