"""What a repository says of itself, read without git."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.envs.upstream.repository import Repository, find_repository

COMMIT, OTHER = "1" * 40, "2" * 40


def made(git: Path, head: str = COMMIT, **files: str) -> Repository:
    """Write a git directory; `_` in a name stands for a slash."""
    (git / "objects").mkdir(parents=True)
    for name, text in {"HEAD": head, **files}.items():
        path = git / name.replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Repository(git=git, common=git)


@pytest.mark.parametrize(
    ("head", "files", "commit"),
    [
        (f"{COMMIT}\n", {}, COMMIT),
        ("ref: refs/heads/main\n", {"refs_heads_main": f"{COMMIT}\n"}, COMMIT),
        ("ref: a\n", {"a": "ref: b", "b": "ref: c", "c": "ref: d", "d": COMMIT}, COMMIT),
        ("ref: a\n", {"a": "ref: b", "b": "ref: c", "c": "ref: d", "d": "ref: e", "e": COMMIT}, ""),
        ("ref: refs/heads/main\n", {}, ""),
        ("ref: ../outside\n", {}, ""),
        ("ref: /outside\n", {}, ""),
        (COMMIT[:-1], {}, ""),
        (f"{COMMIT}1", {}, ""),
        (COMMIT.replace("1", "F"), {}, ""),
        ("", {}, ""),
        ("refs/heads/main", {"refs_heads_main": COMMIT}, ""),
        (
            "ref: refs/heads/main",
            {"packed-refs": f"# pack-refs\n{OTHER} refs/heads/other\n{COMMIT} refs/heads/main\n"},
            COMMIT,
        ),
        (
            "ref: refs/heads/main",
            {"packed-refs": f"{OTHER} refs/heads/main\n", "refs_heads_main": COMMIT},
            COMMIT,
        ),
    ],
)
def test_where_head_leads(tmp_path: Path, head: str, files: dict[str, str], commit: str) -> None:
    (tmp_path / "outside").write_text(COMMIT)
    assert made(tmp_path / "git", head, **files).commit() == commit


@pytest.mark.parametrize(
    ("config", "origin"),
    [
        ('[remote "origin"]\n\turl = https://x/a.git\n', "https://x/a.git"),
        ('[ remote "origin" ]\nurl="https://x/a b"', "https://x/a b"),
        ('[remote "other"]\nurl = y\n[remote "origin"]\nfetch = z\nurl=x = 1\n', "x = 1"),
        ('[remote "origin"]\nurl = x\n[core]\nurl = y\n', "x"),
        ('[remote "origin"]\nurls = x\n pushurl = y\n', ""),
        ('[remote "origin"]\nurl = x\nurl = y\n', "y"),
        ("", ""),
    ],
)
def test_where_it_comes_from(tmp_path: Path, config: str, origin: str) -> None:
    assert made(tmp_path, config=config).origin() == origin


def test_a_work_tree_a_bare_one_and_one_that_shares(tmp_path: Path) -> None:
    git = made(tmp_path / "tree/.git", shallow="").git
    assert find_repository(tmp_path / "tree") == Repository(git=git, common=git)
    bare = made(tmp_path / "bare.git").git
    found = find_repository(bare)
    assert found == Repository(git=bare, common=bare)
    assert found.objects.folder == bare / "objects"
    assert not found.is_shallow
    worktree = tmp_path / "linked"
    worktree.mkdir()
    (worktree / ".git").write_text("gitdir: ../tree/.git/worktrees/linked\n")
    own = git / "worktrees/linked"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/x")
    (own / "commondir").write_text("../..\n")
    (git / "refs/heads").mkdir(parents=True)
    (git / "refs/heads/x").write_text(OTHER)
    linked = find_repository(worktree)
    assert linked is not None
    assert linked.common.resolve() == git
    assert linked.is_shallow
    assert linked.commit() == OTHER


def test_what_is_none(tmp_path: Path) -> None:
    assert find_repository(tmp_path) is None
    (tmp_path / "HEAD").write_text(COMMIT)
    assert find_repository(tmp_path) is None
    (tmp_path / "objects").mkdir()
    assert find_repository(tmp_path) is not None
    (tmp_path / "HEAD").unlink()
    assert find_repository(tmp_path) is None
