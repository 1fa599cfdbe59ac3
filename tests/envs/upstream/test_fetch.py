from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.envs.upstream.fetch import explain, fetch, is_address
from sdcoreml.ground.errors import BadInputError, NoSpaceError, SdcoremlError, UnreachableError
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


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ("error: Server does not allow request for unadvertised object", BadInputError, COMMIT),
        (f"fatal: remote error: upload-pack: not our ref {COMMIT}", BadInputError, "has no commit"),
        ("fatal: write error: No space left on device", NoSpaceError, "the disk is full"),
        (
            "stderr: 'fatal: unable to access 'https://x/': Could not resolve host: x'",
            UnreachableError,
            "Could not resolve host: x",
        ),
        ("", UnreachableError, "said nothing of why"),
    ],
)
def test_what_git_says(said: str, error: type[SdcoremlError], words: str) -> None:
    found = explain(URL, COMMIT, said)
    assert type(found) is error
    assert words in str(found)


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
