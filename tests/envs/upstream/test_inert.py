from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sdcoreml.envs.upstream.inert import active_settings


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Make a repository as `git clone` leaves it."""
    git("init", "-q", str(tmp_path / "source"))
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    git("-C", str(tmp_path / "source"), *who, "commit", "-q", "--allow-empty", "-m", "one")
    git("clone", "-q", str(tmp_path / "source"), str(tmp_path / "clone"))
    path = tmp_path / "clone"
    git("-C", str(path), "remote", "set-url", "origin", "https://huggingface.co/owner/name")
    return path


def test_a_fresh_clone_says_nothing_that_runs(clone: Path) -> None:
    assert active_settings(clone) == ()
    (clone / "unet").mkdir()
    assert active_settings(clone / "unet") == ()


def test_what_git_lfs_installs_is_known(clone: Path) -> None:
    for key, value in (
        ("lfs.repositoryformatversion", "0"),
        ("lfs.https://huggingface.co/owner/name.git/info/lfs.access", "basic"),
        ("filter.lfs.clean", "git-lfs clean -- %f"),
        ("filter.lfs.smudge", "git-lfs smudge -- %f"),
        ("filter.lfs.process", "git-lfs filter-process"),
        ("filter.lfs.required", "true"),
        *((f"core.{name}", "true") for name in ("ignorecase", "precomposeunicode", "symlinks")),
        *(("core.autocrlf", "input"), ("core.eol", "lf"), ("branch.main.rebase", "true")),
        *(("user.name", "A B"), ("user.email", "a@b")),
        ("lfs.https://huggingface.co/owner/name.git/info/lfs.locksverify", "true"),
    ):
        git("-C", str(clone), "config", key, value)
    for hook in ("post-checkout", "post-commit", "post-merge", "pre-push"):
        (clone / ".git/hooks" / hook).write_text(f"#!/bin/sh\ngit lfs {hook}\n")
    assert active_settings(clone) == ()


STARTS_SOMETHING = {
    "alias.lfs": "!touch PWN",
    "core.fsmonitor": "touch PWN; false",
    "core.hooksPath": "/evil/hooks",
    "core.sshCommand": "touch PWN",
    "core.gitProxy": "touch PWN",
    "core.askPass": "touch PWN",
    "core.editor": "touch PWN",
    "core.pager": "touch PWN",
    "core.worktree": "/",
    "core.attributesFile": "/evil/attributes",
    "core.alternateRefsCommand": "touch PWN",
    "credential.helper": "!touch PWN",
    "diff.external": "touch PWN",
    "diff.evil.textconv": "touch PWN",
    "filter.evil.clean": "touch PWN",
    "filter.lfs.smudge": "touch PWN",
    "filter.lfs.process": "git-lfs filter-process; touch PWN",
    "gpg.program": "touch PWN",
    "include.path": "/evil/more",
    "includeIf.onbranch:main.path": "/evil/more",
    "lfs.customtransfer.evil.path": "touch",
    "lfs.standalonetransferagent": "evil",
    "lfs.extension.evil.smudge": "touch PWN",
    "merge.evil.driver": "touch PWN",
    "protocol.ext.allow": "always",
    "remote.origin.url": "ext::sh -c touch% PWN",
    "remote.origin.uploadpack": "touch PWN",
    "remote.origin.vcs": "evil",
    "submodule.evil.update": "!touch PWN",
    "uploadpack.packObjectsHook": "touch PWN",
    "url.ext::sh.insteadOf": "https://huggingface.co/",
    "extensions.worktreeConfig": "true",
}


@pytest.mark.parametrize("key", STARTS_SOMETHING)
def test_what_could_start_a_program_is_named(clone: Path, key: str) -> None:
    git("-C", str(clone), "config", key, STARTS_SOMETHING[key])
    (found,) = active_settings(clone)
    assert key.rpartition(".")[2].casefold() in found.casefold()


@pytest.mark.parametrize(
    "text", ['[core] fsmonitor = "touch PWN"\n', "[core]\n\tbare = \\\n", "\0", "[lfs\n"]
)
def test_what_is_not_plainly_inert_is_named(clone: Path, text: str) -> None:
    config = clone / ".git/config"
    config.write_text(config.read_text() + text)
    assert len(active_settings(clone)) == 1


def test_hooks_and_what_cannot_be_read_are_named(clone: Path) -> None:
    (clone / ".git/hooks/post-index-change").write_text("#!/bin/sh\ntouch PWN\n")
    assert active_settings(clone) == ("hooks/post-index-change",)
    (clone / ".git/config").unlink()
    (clone / ".git/config").symlink_to("/dev/zero")
    assert active_settings(clone)[0] == "a configuration that cannot be read"


def test_a_file_that_points_to_a_repository_is_followed(clone: Path, tmp_path: Path) -> None:
    git("-C", str(clone), "config", "alias.lfs", "!touch PWN")
    other = tmp_path / "other"
    other.mkdir()
    (other / ".git").write_text(f"gitdir: {clone}/.git\n")
    assert active_settings(other) == ("[alias] lfs = !touch PWN",)


def test_a_folder_outside_any_repository(tmp_path: Path) -> None:
    assert active_settings(tmp_path) == ()
