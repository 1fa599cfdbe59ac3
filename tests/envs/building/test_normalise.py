from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sdcoreml.envs.building.normalise import normalise, relocate_scripts, set_modes
from sdcoreml.envs.kept import owners
from sdcoreml.envs.pythons import venv
from tests.envs.wheels import install


@pytest.mark.parametrize(
    "head",
    [
        "#!{python}\n",
        "#!{python} -I\n",
        "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n",
        "#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''\n",
    ],
)
def test_scripts_lose_the_path_and_record_agrees(empty: Path, head: str) -> None:
    script = empty / "bin/tool"
    body = "import sys\nprint(sys.prefix)\n"
    script.write_text(head.format(python=empty / "bin/python") + body)
    script.chmod(0o755)
    info = install(empty, "tool", "1.0", "../../../bin/tool,sha256=old,1\nother.py,,\n")
    normalise(empty)
    assert str(empty) not in script.read_text()
    moved = empty.rename(empty.parent / "moved here")
    done = subprocess.run([moved / "bin/tool"], check=True, capture_output=True, text=True)
    assert done.stdout == f"{moved}\n"
    (row, other) = owners.read_record(moved / info.relative_to(empty) / "RECORD")
    assert row[2] == str((moved / "bin/tool").stat().st_size)
    assert row[1].startswith("sha256=") and row[1] != "sha256=old"  # noqa: PT018  one claim
    assert other == ["other.py", "", ""]


def test_other_scripts_are_left_alone(empty: Path) -> None:
    texts = {
        "shell": "#!/bin/sh\necho hi\n",
        "other": "#!/usr/bin/env python\n",
        "data": "\x00\x01",
    }
    for name, text in texts.items():
        (empty / "bin" / name).write_text(text)
    normalise(empty)
    assert {name: (empty / "bin" / name).read_text() for name in texts} == texts


def test_notes_of_the_installer_go(empty: Path) -> None:
    info = install(empty, "one", "1.0", "one-1.0.dist-info/uv_cache.json,sha256=x,9\none.py,,\n")
    (info / "uv_cache.json").write_text("{}")
    normalise(empty)
    assert not (info / "uv_cache.json").exists()
    assert (info / "RECORD").read_text() == "one.py,,\n"


def test_what_changed_is_named_and_twice_is_once(empty: Path) -> None:
    python = empty / "bin/python"
    (empty / "bin/b").write_text(f"#!{python}\nb\n")
    (empty / "bin/a").write_text(f"#!{python}\na\n")
    (empty / "bin/link").symlink_to("a")
    (empty / "bin/folder").mkdir()
    assert relocate_scripts(empty) == (empty / "bin/a", empty / "bin/b")
    before = (empty / "bin/a").read_bytes()
    assert relocate_scripts(empty) == ()
    assert (empty / "bin/a").read_bytes() == before
    assert before.endswith(b"\na\n")


def test_the_mode_of_a_script_stays(empty: Path) -> None:
    script = empty / "bin/tool"
    script.write_text(f"#!{empty}/bin/python\n")
    script.chmod(0o755)
    normalise(empty)
    assert script.stat().st_mode & 0o777 == 0o755


def test_modes_are_the_same_whatever_the_umask_was(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    (folder / "bin").mkdir(parents=True)
    for name, mode in (("bin/tool", 0o700), ("bin/both", 0o777), ("one.py", 0o600)):
        (folder / name).touch()
        (folder / name).chmod(mode)
    (folder / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").touch(mode=0o600)
    (folder / "bin").chmod(0o700)
    folder.chmod(0o700)
    set_modes(folder)
    modes = {path.name: path.lstat().st_mode & 0o7777 for path in (folder, *folder.rglob("*"))}
    del modes["link"]
    assert modes == {"made": 0o755, "bin": 0o755, "tool": 0o755, "both": 0o755, "one.py": 0o644}
    assert (tmp_path / "outside").stat().st_mode & 0o777 == 0o600


def test_arguments_reach_a_relocated_script(empty: Path) -> None:
    script = empty / "bin/tool"
    script.write_text(f"#!{empty}/bin/python\nimport sys\nprint(sys.argv[1:])\n")
    script.chmod(0o755)
    normalise(empty)
    link = empty.parent / "link to it"
    link.symlink_to(script)
    done = subprocess.run([link, "a b", "*"], check=True, capture_output=True, text=True)
    assert done.stdout == "['a b', '*']\n"


@pytest.mark.parametrize("head", [b"", b"\n", b"#!/bin/sh\n", b"\xff\xfe" * 5000])
def test_bytes_that_are_no_script_of_ours_stay(empty: Path, head: bytes) -> None:
    (empty / "bin/x").write_bytes(head)
    assert relocate_scripts(empty) == ()
    assert (empty / "bin/x").read_bytes() == head


def test_a_record_without_anything_of_ours_keeps_its_bytes(empty: Path) -> None:
    odd = 'one.py,sha256=x,1\r\n"a,b.py",,\r\n'
    info = install(empty, "one", "1.0")
    (info / "RECORD").write_bytes(odd.encode())
    normalise(empty)
    assert (info / "RECORD").read_bytes() == odd.encode()


def test_names_that_are_no_text_survive_in_a_record(empty: Path) -> None:
    script = empty / "bin/tool"
    script.write_text(f"#!{empty}/bin/python\n")
    info = install(empty, "one", "1.0")
    (info / "RECORD").write_bytes(b'../../../bin/tool,sha256=old,1\nodd\xff.py,,\n"a,b",,\n')
    normalise(empty)
    lines = (info / "RECORD").read_bytes().splitlines()
    assert lines[1:] == [b"odd\xff.py,,", b'"a,b",,']
    assert lines[0].startswith(b"../../../bin/tool,sha256=")
    assert venv.site_packages(empty).is_dir()


BODY = "import sys\nprint(sys.prefix)\n"
TRAMPOLINE = """\
#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"
' '''
"""


def written(folder: Path, head: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    path = folder / "bin" / "tool"
    path.write_text(head + BODY)
    return path


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("plain", "#!{}\n"),
        ("plain", "#!{}3.10\n"),
        ("long", "#!/bin/sh\n'''exec' {} \"$0\" \"$@\"\n' '''\n"),
        ("by pip", "#!/bin/sh\n'''exec' \"{}\" \"$0\" \"$@\"\n' '''\n"),
        ("long", "#!/bin/sh\n'''exec' '{}' \"$0\" \"$@\"\n' '''\n"),
        ("by uv", "#!/bin/sh\n'''exec' '{}' \"$0\" \"$@\"\n' '''\n"),
        ("by uv", "#!/bin/sh\n'''exec' '{}3.10' \"$0\" \"$@\"\n' '''\n"),
    ],
)
def test_a_script_looks_beside_itself_however_its_python_was_quoted(
    tmp_path: Path, name: str, head: str
) -> None:
    folder = tmp_path / name
    path = written(folder, head.format(folder / "bin" / "python"))
    assert relocate_scripts(folder) == (path,)
    assert path.read_text() == TRAMPOLINE + BODY
