"""Gathers facts about git, Xcode and the hub."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from sdcoreml.doctor.core.facts import (
    Absent,
    Unknown,
)
from sdcoreml.doctor.core.tools import Git, Hub, XcodeFacts
from sdcoreml.doctor.gather.machine import not_on_macos
from sdcoreml.doctor.gather.probe import Probe, RunResult
from sdcoreml.doctor.gather.volumes import hub_cache
from sdcoreml.envs.mirrors.configuration import read_configuration
from sdcoreml.envs.mirrors.mirror import SERVERS, mirror_of
from sdcoreml.ground.addresses import hide_credentials
from sdcoreml.ground.errors import SdcoremlError

XCODES = "Applications"
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "DIFFUSERS_OFFLINE", "UV_OFFLINE")
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_INCOMPLETE_LIMIT = 20


def git(probe: Probe) -> Git | Absent | Unknown:
    """Gather facts about git and git-lfs.

    On a new Mac, /usr/bin/git is a stub that opens a window, so it is run only if the Command Line
    Tools are installed.
    """
    if probe.system == "Darwin" and not developer(probe):
        return Absent(reason="no developer tools are installed (xcode-select --install)")
    places = probe.environ.get("PATH", os.defpath)
    version = probe.run(("git", "--version"))
    if isinstance(version, Unknown):
        # A program that exists but does not answer is unknown, not absent.
        return version if shutil.which("git", path=places) else Absent(reason=version.reason)
    if version.code:
        return Unknown(reason=version.err or f"git --version exits {version.code}")
    lfs = shutil.which("git-lfs", path=places)
    return Git(version=version.out.removeprefix("git version "), lfs=lfs or "")


def xcode(probe: Probe) -> XcodeFacts | Absent | Unknown:
    """Gather the developer directory and coremlcompiler, as xcode-select and xcrun find them."""
    if absent := not_on_macos(probe):
        return absent
    compiler = probe.run(("xcrun", "--find", "coremlcompiler"))
    if isinstance(compiler, Unknown):
        return compiler
    found = compiler.out if compiler.code == 0 else ""
    applications = (probe.root / XCODES).glob("Xcode*.app")
    return XcodeFacts(
        developer=developer(probe),
        compiler=found,
        complaint="" if found else compiler.err,
        others=tuple(sorted(str(path) for path in applications)),
    )


def developer(probe: Probe) -> str:
    """Return the selected developer directory, or ""."""
    selected = probe.run(("xcode-select", "-p"))
    return selected.out if isinstance(selected, RunResult) and not selected.code else ""


def hub(probe: Probe) -> Hub:
    """Gather the hub's settings: the names of variables, whether there is a token, the mirrors."""
    environ, cache = probe.environ, hub_cache(probe)
    home = cache.parent
    token = any(environ.get(name) for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"))
    stored = any((place / "token").is_file() for place in (home, probe.home / ".huggingface"))
    return Hub(
        token=token or stored,
        offline=tuple(name for name in _OFFLINE if environ.get(name, "0") not in ("", "0")),
        proxies=tuple(name for name in _PROXIES if environ.get(name)),
        certificates=tuple(name for name in _CERTIFICATES if environ.get(name)),
        cache=str(cache),
        incomplete=_incomplete(cache),
        roots=_has_roots(probe),
        **_mirrors(probe),
    )


def _mirrors(probe: Probe) -> dict[str, Any]:
    """Return the configured mirrors, without passwords, or the fault in their settings."""
    try:
        configuration = read_configuration()
        found = {
            server.table: mirror_of(server, "", probe.environ, configuration) for server in SERVERS
        }
    except SdcoremlError as error:
        return {"mirror_fault": hide_credentials(str(error))}
    return {"mirrors": tuple(f"{name} {mirror}" for name, mirror in found.items() if mirror.by)}


def _has_roots(probe: Probe) -> bool:
    """Return True if OpenSSL finds trusted certificates; python.org's installer includes none."""
    import _ssl

    file_name, file, folder_name, folder = _ssl.get_default_verify_paths()
    bundle = Path(probe.environ.get(file_name) or file)
    certificates = Path(probe.environ.get(folder_name) or folder)
    return bundle.is_file() or (certificates.is_dir() and any(certificates.iterdir()))


def _incomplete(cache: Path) -> tuple[str, ...]:
    """Return the interrupted downloads; their files are two levels below the cache folder."""
    if not cache.is_dir():
        return ()
    found = sorted(cache.glob("models--*/blobs/*.incomplete"))
    return tuple(str(path.relative_to(cache)) for path in found[:_INCOMPLETE_LIMIT])
