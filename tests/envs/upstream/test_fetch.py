from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import Self

from sdcoreml.envs.upstream.fetch import explain, fetch, is_address
from sdcoreml.ground.errors import (
    BadInputError,
    EnvError,
    NoSpaceError,
    SdcoremlError,
    UnreachableError,
)
from sdcoreml.ground.events import Event, silent
from tests.upstreams import FILES, git, make_repository

URL = "https://example.invalid/a/b"
COMMIT = "c891f4357b2269853152d774d97327faab746e7c"


def test_git_brings_one_commit_without_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = make_repository(tmp_path / "source")
    git(tmp_path / "source", "commit", "-q", "--allow-empty", "-m", "two")
    git(tmp_path / "source", "config", "uploadpack.allowAnySHA1InWant", "true")
    for name in (
        *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
        *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
    ):
        monkeypatch.setenv(name, str(tmp_path / "source/.git"))  # as in a git hook
    events: list[Event] = []
    address = f"file://{tmp_path / 'source'}"
    objects = fetch(address, upstream.commit, tmp_path / "bare.git", events.append)
    assert set(objects.files_of(upstream.commit)) == {*FILES, "run.sh", "link"}
    assert events[0].text == f"fetch {upstream.commit[:12]} from {address}"
    assert (tmp_path / "bare.git/shallow").read_text().strip() == upstream.commit


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="cannot be fetched") as caught:
        fetch("http://127.0.0.1:9/a", COMMIT, tmp_path / "bare.git", silent)
    assert "--from PATH" in caught.value.remedy


REMEDY = "check the network and proxy, or name a clone: `sdcoreml env upstream --from PATH`"
NO_COMMIT = f"{URL}: has no commit {COMMIT}; leave --from out for the tested repository"
NO_SPACE = f"{URL}: the disk is full; free space and try again"
CANNOT = f"{URL}: the upstream commit cannot be fetched: "


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ("error: Server does not allow request for unadvertised object", BadInputError, NO_COMMIT),
        (f"fatal: remote error: upload-pack: NOT our ref {COMMIT}", BadInputError, NO_COMMIT),
        ("fatal: couldn't find remote ref x", BadInputError, NO_COMMIT),
        ("fatal: write error: No space left on device", NoSpaceError, NO_SPACE),
        ("error: not our ref\nfatal: Disk quota exceeded", NoSpaceError, NO_SPACE),
        ("error: File too large", NoSpaceError, NO_SPACE),
        (
            "stderr: 'warning\n fatal: unable to access 'https://x/': no host: x.'\nerror: a",
            UnreachableError,
            f"{CANNOT}unable to access 'https://x/': no host: x; {REMEDY}",
        ),
        ("", UnreachableError, f"{CANNOT}git said nothing of why; {REMEDY}"),
        ("error: a\x1b[1mb", UnreachableError, f"{CANNOT}a\\x1b[1mb; {REMEDY}"),
    ],
)
def test_what_git_says(said: str, error: type[SdcoremlError], text: str) -> None:
    found = explain(URL, COMMIT, said)
    assert (type(found), str(found)) == (error, text)


def test_without_git_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "git", None)
    with pytest.raises(EnvError) as caught:
        fetch(URL, COMMIT, tmp_path / "bare.git", silent)
    assert str(caught.value) == (
        "git is not installed, so the upstream commit cannot be fetched; install git (macOS:"
        " xcode-select --install; Debian: apt install git), or name a clone:"
        " `sdcoreml env upstream --from PATH`"
    )
    assert list(tmp_path.iterdir()) == []


def test_git_asks_nothing_and_tells_its_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, Any]] = []

    class RemoteProgress:
        error_lines = ("fatal: it broke",)

    class GitCommandError(Exception):
        stderr = "nothing"

    class Repo:
        def __init__(self, path: Path) -> None:
            files = {one.name: one.read_text() for one in path.iterdir() if one.is_file()}
            calls.append(("repository", files))
            calls.append(("folders", sorted(one.name for one in path.iterdir() if one.is_dir())))
            self.git = self

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def update_environment(self, **environ: str) -> None:
            calls.append(("environment", environ))

        def set_persistent_git_options(self, **options: object) -> None:
            calls.append(("options", options))

        def create_remote(self, name: str, url: str) -> Self:
            calls.append(("remote", (name, url)))
            return self

        def fetch(self, commit: str, *, progress: Any, **options: object) -> None:
            calls.append(("fetch", (commit, options)))
            calls.append(("GIT_DIR", os.environ.get("GIT_DIR")))
            progress.update(1, "3", 10.0, "12 MiB")
            progress.update(1, 4.0)
            raise GitCommandError

    made = types.ModuleType("git")
    vars(made).update(Repo=Repo, GitCommandError=GitCommandError, RemoteProgress=RemoteProgress)
    monkeypatch.setitem(sys.modules, "git", made)
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.delenv("GIT_SSH_COMMAND", raising=False)
    events: list[Event] = []
    with pytest.raises(UnreachableError) as caught:
        fetch(URL, COMMIT, tmp_path / "bare.git", events.append)
    assert str(caught.value) == f"{CANNOT}it broke; {REMEDY}"
    assert os.environ["GIT_DIR"] == "/elsewhere"
    settings = [
        *("core.hooksPath=/dev/null", "gc.auto=0", "http.lowSpeedLimit=1000"),
        *("http.lowSpeedTime=60", "protocol.ext.allow=never"),
    ]
    config = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
    quiet: dict[str, Any] = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C"}
    expected: list[tuple[str, Any]] = [
        ("repository", {"HEAD": "ref: refs/heads/main\n", "config": config}),
        ("folders", ["objects", "refs"]),
        ("environment", {**quiet, "GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}),
        ("options", {"c": settings}),
        ("remote", ("origin", URL)),
        ("fetch", (COMMIT, {"depth": 1, "no_tags": True})),
        ("GIT_DIR", None),
    ]
    assert calls == expected
    assert events == [
        Event(kind="step", text=f"fetch c891f4357b22 from {URL}"),
        Event(kind="progress", text="12 MiB", done=3, total=10, unit="objects"),
        Event(kind="progress", text="", done=4, total=0, unit="objects"),
    ]
    del calls[:]
    monkeypatch.setenv("GIT_SSH_COMMAND", "mine")
    with pytest.raises(UnreachableError):
        fetch(URL, COMMIT, tmp_path / "other.git", silent)
    assert ("environment", {**quiet, "GIT_SSH_COMMAND": "mine"}) in calls


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (URL, True),
        ("git@example.invalid:a/b.git", True),
        ("ssh://git@example.invalid/a", True),
        ("/a/b", False),
        ("../clone", False),
        ("ext::sh -c touch% x", False),
        ("--upload-pack=touch x", False),
        ("file:///a/b", False),
    ],
)
def test_what_is_an_address(source: str, expected: bool) -> None:  # noqa: FBT001
    assert is_address(source) is expected
