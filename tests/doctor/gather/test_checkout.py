from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sdcoreml.doctor.core.facts import Absent, Checkout, Unknown
from sdcoreml.doctor.gather.checkout import by_library, by_program, checkout
from sdcoreml.doctor.gather.probe import Probe, RunResult

ORIGIN = "https://user:secret@example.org/apple/ml-stable-diffusion"


def git(path: Path, *words: str) -> str:
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(
        ["git", *settings, "-C", str(path), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def repository(path: Path) -> str:
    """A repository with one commit, whose name is returned."""
    path.mkdir(exist_ok=True)
    git(path, "init", "-q")
    (path / "a.py").write_text("1\n")
    (path / "b.py").write_text("a file that is moved\n")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "one")
    git(path, "remote", "add", "origin", ORIGIN)
    return git(path, "rev-parse", "HEAD")


def read_both(path: Path) -> Checkout:
    """The facts as the library reads them, the program's being the same."""
    read = by_library(str(path))
    assert read == by_program(str(path), Probe())
    assert isinstance(read, Checkout)
    return read


def test_a_clean_checkout(tmp_path: Path) -> None:
    commit = repository(tmp_path)
    assert read_both(tmp_path) == Checkout(
        path=str(tmp_path),
        repository=True,
        commit=commit,
        remote="https://example.org/apple/ml-stable-diffusion",
        shallow=False,
        changed=(),
    )


def modified(path: Path) -> None:
    (path / "a.py").write_text("2\n")


def moved_and_untracked(path: Path) -> None:
    git(path, "mv", "b.py", "c.py")
    (path / "new").write_text("")


def removed_and_staged(path: Path) -> None:
    (path / "a.py").write_text("2\n")
    git(path, "add", "a.py")
    (path / "b.py").unlink()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (modified, ("a.py",)),
        (moved_and_untracked, ("b.py -> c.py", "new")),
        (removed_and_staged, ("a.py", "b.py")),
    ],
)
def test_what_was_changed(
    tmp_path: Path, change: Callable[[Path], None], expected: tuple[str, ...]
) -> None:
    repository(tmp_path)
    change(tmp_path)
    assert read_both(tmp_path).changed == expected


def test_a_shallow_clone_of_a_detached_commit(tmp_path: Path) -> None:
    source = tmp_path / "source"
    commit = repository(source)
    git(source, "commit", "-q", "--allow-empty", "-m", "two")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{source}", "clone")
    read = read_both(tmp_path / "clone")
    assert (read.shallow, read.remote) == (True, f"file://{source}")
    git(source, "checkout", "-q", "--detach", commit)
    assert read_both(source).commit == commit


def test_a_linked_worktree_and_a_repository_without_a_commit(tmp_path: Path) -> None:
    commit = repository(tmp_path / "main")
    git(tmp_path / "main", "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    assert read_both(tmp_path / "linked").commit == commit
    git(tmp_path, "init", "-q", "fresh")
    fresh = read_both(tmp_path / "fresh")
    assert (fresh.repository, fresh.commit, fresh.remote) == (True, "", "")


@pytest.mark.parametrize("inner", ["plain", "main/inner", "main/.git", "bare"])
def test_a_folder_that_is_no_checkout(tmp_path: Path, inner: str) -> None:
    repository(tmp_path / "main")
    git(tmp_path, "init", "-q", "--bare", "bare")
    (tmp_path / inner).mkdir(exist_ok=True)
    assert not read_both(tmp_path / inner).repository


@pytest.mark.parametrize(("file", "complaint"), [("config", "config"), ("index", "index")])
def test_a_damaged_repository_is_not_called_clean(
    tmp_path: Path, file: str, complaint: str
) -> None:
    repository(tmp_path)
    (tmp_path / ".git" / file).write_text("[core\n")
    for read in (by_library(str(tmp_path)), by_program(str(tmp_path), Probe())):
        assert isinstance(read, Unknown)
        assert read.reason.startswith(f"git refuses {tmp_path}: ")
        assert complaint in read.reason


def told(argv: Sequence[str], /, *, seconds: float = 1.0) -> RunResult | Unknown:
    """A git program that knows nothing."""
    del seconds
    return Unknown(reason=f"{argv[0]}: No such file or directory")


def test_without_gitpython_the_program_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository(tmp_path)
    monkeypatch.setitem(sys.modules, "git", None)
    read = checkout(str(tmp_path), Probe(system="Linux"))
    assert isinstance(read, Checkout)
    assert read.commit == commit
    assert checkout(str(tmp_path), Probe(system="Linux", run=told)) == Unknown(
        reason="git: No such file or directory"
    )


def test_where_a_checkout_is_named(tmp_path: Path) -> None:
    commit = repository(tmp_path)
    named = checkout("", Probe(system="Linux", environ={"SDCOREML_UPSTREAM": str(tmp_path)}))
    assert isinstance(named, Checkout)
    assert named.commit == commit
    assert isinstance(checkout("", Probe(environ={})), Absent)
    assert isinstance(checkout(str(tmp_path / "none"), Probe(environ={})), Absent)


def test_git_is_not_started_on_a_mac_without_developer_tools(tmp_path: Path) -> None:
    repository(tmp_path)
    read = checkout(str(tmp_path), Probe(system="Darwin", run=told))
    assert read == Unknown(reason="git needs the developer tools (xcode-select --install)")


def test_gitpython_is_not_imported_without_a_checkout() -> None:
    code = (
        "import sys; from sdcoreml.doctor.gather.checkout import checkout;"
        "from sdcoreml.doctor.gather.probe import Probe;"
        " checkout('', Probe(environ={})); sys.exit('git' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
