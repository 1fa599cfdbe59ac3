"""Facts about the tools beside the toolchain: git, Xcode, upstream's converter, downloads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """The git program; `lfs` is the path of git-lfs, or ""."""

    version: str
    lfs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A checkout of the upstream converter; `repository` is false if it is not a git repository.

    `kept` is true for the checkout that `sdcoreml env upstream` made beside the environments.
    """

    path: str
    repository: bool
    commit: str
    remote: str
    shallow: bool
    changed: tuple[str, ...]
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class XcodeFacts:
    """Apple's developer tools: the selected directory, and the path of `coremlcompiler`.

    `compiler` is empty if xcrun does not find it; `complaint` is then xcrun's error message.
    `others` are Xcode applications that are installed but not selected.
    """

    developer: str
    compiler: str
    complaint: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The settings for downloading models; of a token, only whether there is one.

    `roots` is true if this Python finds trusted certificates. `mirrors` are the configured mirrors,
    each with the setting that names it; `mirror_fault` says why the settings cannot be read.
    """

    token: bool
    offline: tuple[str, ...]
    proxies: tuple[str, ...]
    certificates: tuple[str, ...]
    cache: str
    incomplete: tuple[str, ...]
    roots: bool
    mirrors: tuple[str, ...] = ()
    mirror_fault: str = ""
