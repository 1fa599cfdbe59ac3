"""Fetches one commit from a repository's URL into an empty repository, with GitPython."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdcoreml.envs.upstream.objects import Objects
from sdcoreml.ground.errors import BadInputError, EnvError, NoSpaceError, UnreachableError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.visible import one_line

REMEDY = "check the network and proxy, or name a clone: `sdcoreml env upstream --from PATH`"
_ADDRESS = re.compile(r"(https?|ssh|git)://\S+|[\w.-]+@[\w.-]+:\S+")
_FULL = re.compile(r"No space left|[Dd]isk quota|File too large")
_LACKING = re.compile(r"not our ref|unadvertised object|couldn't find remote ref", re.IGNORECASE)
_COMPLAINT = re.compile(r"(?:fatal|error): (.*)")
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "gc.auto=0",
    "http.lowSpeedLimit=1000",  # bytes a second; below that for a minute, it is given up
    "http.lowSpeedTime=60",
    "protocol.ext.allow=never",
)
_QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C"}
_ELSEWHERE = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE"),
)
"""Variables that select another repository; a git hook, for example, sets them for children."""


def is_address(source: str) -> bool:
    """Return True if a source is a URL rather than a path."""
    return _ADDRESS.fullmatch(source) is not None


def fetch(url: str, commit: str, scratch: Path, emit: Emit) -> Objects:
    """Fetch a commit and its files, without history, into the new bare repository `scratch`.

    Git uses the user's configuration (proxies, certificates, logins), but not the system's.

    Raises:
        UnreachableError: the server cannot be reached.
        BadInputError: the server has no such commit.
        EnvError: git is not installed.
        NoSpaceError: the disk filled up.
    """
    try:
        from git import GitCommandError, RemoteProgress, Repo
    except ImportError:
        raise EnvError(
            "git is not installed, so the upstream commit cannot be fetched",
            remedy="install git (macOS: xcode-select --install; Debian: apt install git),"
            " or name a clone: `sdcoreml env upstream --from PATH`",
        ) from None

    class Progress(RemoteProgress):
        def update(
            self,
            op_code: int,  # noqa: ARG002  as it is called
            cur_count: str | float,
            max_count: str | float | None = None,
            message: str = "",
        ) -> None:
            done, total = int(float(cur_count)), int(float(max_count or 0))
            emit(Event(kind="progress", text=message, done=done, total=total, unit="objects"))

    progress = Progress()
    emit(Event(kind="step", text=f"fetch {commit[:12]} from {url}"))
    with _own_repository():
        try:
            with Repo(_make_bare(scratch)) as repository:
                repository.git.update_environment(**{**_QUIET, **_ssh()})
                repository.git.set_persistent_git_options(c=list(_SETTINGS))
                remote = repository.create_remote("origin", url)
                remote.fetch(commit, progress=progress, depth=1, no_tags=True)
        except GitCommandError as error:
            said = "\n".join((str(error.stderr), *progress.error_lines))
            raise explain(url, commit, said) from None
    return Objects(scratch / "objects")


def explain(url: str, commit: str, said: str) -> EnvError | BadInputError | NoSpaceError:
    """Return the error that git's output stands for."""
    if _FULL.search(said):
        return NoSpaceError("the disk is full", where=url, remedy="free space and try again")
    if _LACKING.search(said):
        return BadInputError(
            f"has no commit {commit}",
            where=url,
            remedy="leave --from out for the tested repository",
        )
    complaints = _COMPLAINT.findall(said) or ["git said nothing of why"]
    why = one_line(complaints[0]).rstrip("'.")
    return UnreachableError(
        f"the upstream commit cannot be fetched: {why}", where=url, remedy=REMEDY
    )


def _ssh() -> dict[str, str]:
    """Return the user's own ssh command, else one that never prompts for a password."""
    return {"GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")}


def _make_bare(folder: Path) -> Path:
    """Make an empty bare repository; `git init` would copy the user's template with its hooks."""
    for name in ("objects", "refs"):
        (folder / name).mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    settings = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
    (folder / "config").write_text(settings, encoding="utf-8")
    return folder


@contextmanager
def _own_repository() -> Iterator[None]:
    """Unset the variables that would make git use another repository."""
    kept = {name: os.environ.pop(name) for name in _ELSEWHERE if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
