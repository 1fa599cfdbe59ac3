"""Groups of packages are brought once, into a folder that says for whom they are."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from sdcoreml.envs.pythons.apart import Group, bring
from sdcoreml.ground.errors import EnvError, InstallError
from sdcoreml.ground.events import Event, silent
from tests.envs.kept.sealed import python_below

ANSWER = """\
#!/bin/sh
echo '["{python}", "3.11.7", "CPython", "linux", "x86_64", true]'
"""


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Group:
    """A group; the Python that asks for it has a uv beside it that keeps what it is asked."""
    beside = tmp_path / "host"
    beside.mkdir()
    python = beside / "python"
    python.write_text(ANSWER.format(python=python))
    (beside / "uv").write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/asked\nenv >{tmp_path}/environ\n'
    )
    for path in beside.iterdir():
        path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    lock = tmp_path / "group.txt"
    lock.write_text("one==1.0\n")
    return Group(lock=lock, prefix="group-", what="a group (once, 1 MB)")


def test_a_folder_is_for_one_lock_and_one_python(group: Group, tmp_path: Path) -> None:
    facts = f"one==1.0\n\n{tmp_path}/host/python\n3.11.7"
    assert group.folder_name() == f"group-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"


def test_it_is_installed_once(group: Group, tmp_path: Path) -> None:
    events: list[Event] = []
    root = tmp_path / "envs"
    python = bring(group, root, events.append, index="https://mirror.invalid/simple")
    assert python == root / group.folder_name() / "bin" / "python"
    assert python.readlink() == tmp_path / "host/python"
    assert events == [Event(kind="note", text="bringing a group (once, 1 MB)")]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[asked.index("--requirement") + 1] == str(group.lock)
    place = Path(asked[asked.index("--python") + 1])
    assert place.parts[-3].startswith(".sdcoreml-group-")
    assert place.parts[-2:] == ("bin", "python")
    environ = (tmp_path / "environ").read_text().splitlines()
    assert "UV_DEFAULT_INDEX=https://mirror.invalid/simple" in environ
    (tmp_path / "asked").unlink()
    assert bring(group, root, events.append) == python
    assert len(events) == 1
    assert not (tmp_path / "asked").exists()
    assert [path.name for path in root.iterdir()] == [group.folder_name()]


def test_a_failure_leaves_nothing(group: Group, tmp_path: Path) -> None:
    (tmp_path / "host/uv").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(InstallError):
        bring(group, tmp_path / "envs", silent)
    assert list((tmp_path / "envs").iterdir()) == []


def test_a_python_that_does_not_answer_is_told(
    group: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(EnvError) as caught:
        group.folder_name()
    assert str(caught.value) == (
        f"{tmp_path}/gone: cannot be run as a Python; run `make bootstrap`"
    )
    assert python_below(tmp_path / "other").path.exists()
