"""What is listed of an environment's Python, from one that says where its files are."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.kept.beneath import is_ours, roots_of, stat_beneath, take_beneath, walk_beneath
from sdcoreml.envs.kept.manifest import EntryKind, ManifestEntry
from sdcoreml.envs.pythons.interpreter import Interpreter
from sdcoreml.ground.errors import BrokenError
from tests.envs.kept.sealed import python_below

LISTED = [
    "bin/python3.10",
    "bin/pybuilddir.txt",
    "lib/libpython3.10.so",
    "lib/python3.10",
    "lib/python3.10/__pycache__",
    "lib/python3.10/lib-dynload",
    "lib/python3.10/lib-dynload/_json.so",
    "lib/python3.10/os.py",
    "lib/python3.10/test",
    "lib/python3.10/test/test_os.py",
    "lib/python310.zip",
]


def answering(folder: Path, text: str) -> Interpreter:
    folder.mkdir(exist_ok=True)
    python = folder / "python3.10"
    python.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    python.chmod(0o755)
    return Interpreter(
        path=python, version="3.10.10", implementation="CPython", target="any", source="PATH"
    )


def test_its_binary_its_library_and_what_must_not_be_there_are_listed(tmp_path: Path) -> None:
    interpreter = python_below(tmp_path / "made")
    (tmp_path / "made/lib/libffi.so.8").touch()
    taken = take_beneath(interpreter, tmp_path)
    assert [os.path.relpath(entry.path, tmp_path / "made") for entry in taken] == sorted(LISTED)
    entries = {os.path.relpath(entry.path, tmp_path / "made"): entry for entry in taken}
    module = tmp_path / "made/lib/python3.10/os.py"
    assert entries["lib/python3.10/os.py"] == ManifestEntry(
        kind=EntryKind.FILE,
        mode=module.stat().st_mode & 0o777,
        digest="e13df8c44af5dea1e412403910b99cc5a48f2ccbf68a66b3374d6ab9cef9fc65",
        size=10,
        mtime=module.stat().st_mtime_ns,
        owner="(python)",
        path=str(module),
    )
    folder = tmp_path / "made/lib/python3.10"
    assert entries["lib/python3.10"] == ManifestEntry(
        kind=EntryKind.FOLDER,
        mode=folder.stat().st_mode & 0o777,
        digest="",
        size=0,
        mtime=0,
        owner="(python)",
        path=str(folder),
    )
    assert entries["lib/python310.zip"] == ManifestEntry(
        kind=EntryKind.ABSENT,
        mode=0,
        digest="",
        size=0,
        mtime=0,
        owner="(python)",
        path=str(tmp_path / "made/lib/python310.zip"),
    )
    assert entries["bin/python3.10"].kind is EntryKind.PROGRAM


def test_of_one_that_we_installed_all_libraries_are_listed(tmp_path: Path) -> None:
    interpreter = python_below(tmp_path / "python-3.10.10")
    assert is_ours(interpreter, tmp_path)
    assert not is_ours(interpreter, tmp_path / "other")
    assert not is_ours(replace(interpreter, path=tmp_path / "abc/bin/python3.10"), tmp_path)
    for name in ("libffi.so.8", "libz.dylib", "libssl.so", "libz.a", "so"):
        (tmp_path / "python-3.10.10/lib" / name).touch()
    taken = take_beneath(interpreter, tmp_path)
    more = ["lib/libffi.so.8", "lib/libssl.so", "lib/libz.dylib"]
    assert [os.path.relpath(entry.path, tmp_path / "python-3.10.10") for entry in taken] == sorted(
        [*LISTED, *more]
    )


def test_the_binary_of_a_framework_and_the_end_of_a_link_are_listed(tmp_path: Path) -> None:
    program = tmp_path / "Resources/Python.app/Contents/MacOS/Python"
    program.parent.mkdir(parents=True)
    program.touch()
    interpreter = answering(tmp_path / "bin", f'["{tmp_path}", [], []]')
    (tmp_path / "python").symlink_to(interpreter.path)
    taken = take_beneath(replace(interpreter, path=tmp_path / "python"), tmp_path)
    assert [os.path.relpath(entry.path, tmp_path) for entry in taken] == [
        "Resources/Python.app/Contents/MacOS/Python",
        "bin/python3.10",
        "pybuilddir.txt",
        "python",
    ]


@pytest.mark.parametrize(
    "text", ["", "no", "{}", "[]", '["/a", [], [], []]', "[1, [], []]", '["/a", [1], []]']
)
def test_one_that_does_not_answer_is_told(tmp_path: Path, text: str) -> None:
    interpreter = answering(tmp_path, text)
    with pytest.raises(BrokenError) as caught:
        take_beneath(interpreter, tmp_path)
    assert str(caught.value) == (
        f"{interpreter.path}: cannot be asked for its paths; name another with --python PATH"
    )


def test_a_line_break_in_a_name_is_refused(tmp_path: Path) -> None:
    library = tmp_path / "lib"
    library.mkdir()
    (library / "a\nb.py").touch()
    interpreter = answering(tmp_path / "bin", f'["{tmp_path}", ["{library}"], []]')
    with pytest.raises(BrokenError) as caught:
        take_beneath(interpreter, tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: a file name with a line break in it: '{library}/a\\nb.py'"
    )


def test_only_the_outermost_folders_are_walked() -> None:
    assert roots_of(["/b/x", "/a", "/b", "/a/y", "/a/y/z", "/abc"]) == ("/a", "/abc", "/b")


def test_links_to_files_are_followed_and_those_to_folders_passed_over(tmp_path: Path) -> None:
    root = tmp_path / "library"
    (root / "json/site-packages").mkdir(parents=True)
    (root / "json/test/__pycache__").mkdir(parents=True)
    (root / "dist-packages").mkdir()
    (root / "dist-packages/no.py").touch()
    (tmp_path / "elsewhere.py").write_text("12345")
    (root / "file.py").symlink_to(tmp_path / "elsewhere.py")
    (root / "folder").symlink_to(root / "json")
    (root / "broken").symlink_to("/gone")
    (root / "test/deep/__pycache__").mkdir(parents=True)
    for name in ("deep/a.py", "deep/b.so", "deep/c.txt", "deep/__pycache__/d.pyc"):
        (root / "test" / name).touch()
    found = walk_beneath([str(root), "/gone"])
    assert sorted(os.path.relpath(path, root) for path in found) == [
        *(".", "broken", "file.py", "json", "json/site-packages", "json/test"),
        *("json/test/__pycache__", "test", "test/deep", "test/deep/a.py", "test/deep/b.so"),
    ]
    assert found[str(root / "file.py")].st_size == 5
    assert found[str(root / "broken")] == (root / "broken").lstat()
    assert stat_beneath(str(root / "broken")) == (root / "broken").lstat()
    assert stat_beneath(str(root / "gone")) is None
    assert stat_beneath(str(root / "file.py")) == (tmp_path / "elsewhere.py").stat()


def test_folders_within_each_other_are_walked_once(tmp_path: Path) -> None:
    for name in ("lib/inner", "library"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.py").touch()
    on_path = ", ".join(f'"{tmp_path / name}"' for name in ("lib/inner", "lib", "library", "lib"))
    interpreter = answering(tmp_path / "bin", f'["{tmp_path}", [{on_path}], []]')
    taken = take_beneath(interpreter, tmp_path)
    assert [os.path.relpath(entry.path, tmp_path) for entry in taken] == [
        *("bin/pybuilddir.txt", "bin/python3.10", "lib", "lib/inner", "lib/inner/a.py"),
        *("library", "library/a.py"),
    ]


@pytest.mark.slow
def test_the_python_that_runs_this_says_where_its_library_is(tmp_path: Path) -> None:
    python = Path(os.path.realpath(sys.executable))
    interpreter = Interpreter(
        path=python, version="", implementation="CPython", target="any", source="PATH"
    )
    taken = {entry.path: entry.kind for entry in take_beneath(interpreter, tmp_path)}
    assert taken[os.fspath(python)] is EntryKind.PROGRAM
    assert taken[os.__file__] is EntryKind.FILE
    assert not any("site-packages" in path for path in taken)
