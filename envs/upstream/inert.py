"""Finds the settings of a repository that could make git run a program.

Git follows the configuration of the repository in which it runs: aliases, filters, monitors, hooks,
helpers, included files. Many settings can start a program, and new versions of git add others. So
this module lists the harmless settings, and reports all others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from sdcoreml.envs.upstream.objects import read_regular
from sdcoreml.envs.upstream.repository import Repository, find_repository

INERT: tuple[tuple[str, str, str], ...] = (
    (r"core", r"repositoryformatversion|filemode|bare|logallrefupdates", r"\w*"),
    (r"core", r"ignorecase|precomposeunicode|symlinks|autocrlf|eol", r"\w*"),
    (r'remote "[\w.-]+"', r"url", r"https?://[\w.~:@%/+-]+|git@[\w.-]+:[\w./~+-]+"),
    (r'remote "[\w.-]+"', r"fetch", r"[\w+:/*.-]+"),
    (r'branch "[\w./-]+"', r"remote|merge|rebase", r"[\w./-]+"),
    (r"user", r"name|email", r"[\w .@+-]*"),
    (r"lfs", r"repositoryformatversion", r"\d+"),
    (r'lfs "https?://[\w.~:@%/+-]+"', r"access|locksverify", r"\w+"),
    # Written by `git lfs install --local`.
    (r'filter "lfs"', r"required", r"true"),
    (r'filter "lfs"', r"clean|smudge", r"git-lfs (?:clean|smudge) -- %f"),
    (r'filter "lfs"', r"process", r"git-lfs filter-process"),
)
"""Section, key and value (regular expressions) of the settings that start no program."""

LFS_HOOKS = frozenset({"post-checkout", "post-commit", "post-merge", "pre-push"})
"""The hooks that git-lfs installs; fetching and writing its files calls none of them."""

_SECTION = re.compile(r"\[([^\[\]]+)\]")
_KEY = re.compile(r"([A-Za-z-]+)\s*=\s*(.*)")
_LARGEST = 1 << 20


def active_settings(folder: Path) -> tuple[str, ...]:
    """Return the settings and hooks for git in `folder` that could start a program.

    The repository is the one that git would find, in `folder` or above it; the result is empty if
    there is none. Nothing is run.
    """
    for place in (folder, *folder.parents):
        if repository := find_repository(place):
            return (*_settings(repository), *_hooks(repository))
    return ()


def _settings(repository: Repository) -> Iterator[str]:
    content = read_regular(repository.common / "config", _LARGEST)
    if content is None:
        yield "a configuration that cannot be read"
        return
    section = ""
    for line in map(str.strip, os.fsdecode(content).splitlines()):
        if not line or line[0] in "#;":
            continue
        if named := _SECTION.fullmatch(line):
            section = named[1]
        elif not ((pair := _KEY.fullmatch(line)) and _is_inert(section, *pair.groups())):
            yield f"[{section}] {line}"


def _is_inert(section: str, key: str, value: str) -> bool:
    return any(
        re.fullmatch(sections, section)
        and re.fullmatch(keys, key, re.IGNORECASE)
        and re.fullmatch(values, value)
        for sections, keys, values in INERT
    )


def _hooks(repository: Repository) -> Iterator[str]:
    folder = repository.common / "hooks"
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix != ".sample" and path.name not in LFS_HOOKS:
                yield f"hooks/{path.name}"
