"""Compares versions and version ranges (PEP 440), using only the standard library.

The doctor must run, and must find an interpreter, on machines where `packaging` is not installed
yet; one implementation serves everywhere. It covers what locks, toolchain.toml and the doctor's
knowledge use: releases, a/b/rc/dev/post suffixes, local parts, and the operators
== != >= <= > < ~= with commas.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from sdcoreml.ground.errors import VersionError

_VERSION = re.compile(
    r"v?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>a|b|c|rc|alpha|beta)[-_.]?(?P<pre_n>\d*))?"
    r"(?:[-_.]?post[-_.]?(?P<post>\d*))?"
    r"(?:[-_.]?dev[-_.]?(?P<dev>\d*))?"
    r"(?:\+(?P<local>[\w.\-]+))?",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"(?P<operator>~=|==|!=|<=|>=|<|>)\s*(?P<version>[\w.+*\-]+)")
_STAGES = {"a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3}
_FINAL = 4
_NONE = -1
_RELEASED = 1 << 31

Key: TypeAlias = tuple[tuple[int, ...], int, int, int, int]


def is_version(text: str) -> bool:
    """Return True if `text` is a valid version."""
    return _VERSION.fullmatch(text.strip()) is not None


def key(version: str) -> Key:
    """Return a version's sort key: release, stage (dev < a < b < rc < final), number, post, dev.

    A local part (`+cu121`) is ignored, since it names a build of the same release. Raises
    `VersionError` for an invalid version.
    """
    found = _VERSION.fullmatch(version.strip())
    if found is None:
        raise VersionError(f"not a version: {version!r}")
    release = tuple(int(part) for part in found["release"].split("."))
    while len(release) > 1 and release[-1] == 0:
        release = release[:-1]
    stage = _STAGES[found["pre"].lower()] if found["pre"] else _FINAL
    post = _NONE if found["post"] is None else int(found["post"] or 0)
    developing = found["dev"] is not None
    if developing and stage == _FINAL and post == _NONE:
        stage = 0
    dev = int(found["dev"] or 0) if developing else _RELEASED
    return release, stage, int(found["pre_n"] or 0), post, dev


def satisfies(version: str, specifier: str) -> bool:
    """Return True if `version` is in the range `specifier` ("" for any version).

    Raises:
        VersionError: the version or the range is invalid.
    """
    return all(
        _holds(version, clause) for clause in filter(None, map(str.strip, specifier.split(",")))
    )


def _holds(version: str, clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        raise VersionError(f"not a version range: {clause!r}")
    operator, bound = found["operator"], found["version"]
    if bound.endswith(".*"):
        return _is_under(version, bound[:-2]) is (operator == "==")
    if operator == "~=":
        return key(version) >= key(bound) and _is_under(version, bound.rpartition(".")[0])
    have, want = key(version), key(bound)
    return {
        "==": have == want,
        "!=": have != want,
        ">=": have >= want,
        "<=": have <= want,
        # PEP 440: `>2.2.0` excludes its post-release 2.2.0.post1, and `<3.13.0` excludes its
        # pre-release 3.13.0rc1.
        ">": have > want and not _repairs(have, want),
        "<": have < want and not _leads_up(have, want),
    }[operator]


def _repairs(have: Key, want: Key) -> bool:
    """Return True if `have` is a post-release of exactly `want`."""
    return have[:3] == want[:3] and want[3] == _NONE and want[4] == _RELEASED


def _leads_up(have: Key, want: Key) -> bool:
    """Return True if `have`, the lower version, is a pre-release of exactly `want`."""
    is_released = want[1] == _FINAL and want[4] == _RELEASED
    same = 1 if want[3] == _NONE else 4
    return is_released and have[:same] == want[:same]


def _is_under(version: str, prefix: str) -> bool:
    """Return True if the release begins with `prefix`, padded with zeros: 3.10.13 is under 3.10."""
    wanted = tuple(int(part) for part in prefix.split("."))
    release = key(version)[0]
    return (release + (0,) * len(wanted))[: len(wanted)] == wanted
