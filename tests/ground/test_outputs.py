from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from sdcoreml.ground.aside import file_aside, folder_aside, keep_nothing, sole_maker
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.outputs import (
    files_in,
    find_place,
    link_tree,
    require_beginning,
    require_known,
)

MARK = "model_index.json"
IS_ROOT = os.geteuid() == 0


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_not_there_or_is_a_file_or_folder_is_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "new", "."):
        assert find_place(tmp_path / name) == tmp_path / name


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listen(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may have a hundred bytes only
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (pipe, "a named pipe"),
        (listen, "a socket"),
        pytest.param(
            device, "a device", marks=pytest.mark.skipif(not IS_ROOT, reason="root makes devices")
        ),
    ],
)
@pytest.mark.parametrize("through", ["out", "link"])
def test_a_device_a_pipe_and_a_socket_are_never_replaced(
    tmp_path: Path, make: object, kind: str, through: str
) -> None:
    assert callable(make)
    make(tmp_path / "out")
    (tmp_path / "link").symlink_to("out")
    before = os.lstat(tmp_path / "out")
    for aside in (file_aside, sole_maker, lambda path: folder_aside(path, MARK)):
        with (
            pytest.raises(
                BadInputError,
                match=rf"{through}: is {kind}; outputs are files and folders; choose another name",
            ),
            aside(tmp_path / through),
        ):
            pytest.fail("nothing may be written")
    assert os.lstat(tmp_path / "out")[:3] == before[:3]
    assert names(tmp_path) == ["link", "out"]


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_text("old")
    (tmp_path / "link").symlink_to("far/file")
    with file_aside(tmp_path / "link") as handle:
        os.write(handle, b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "file").read_text() == "new"
    assert names(tmp_path / "far") == ["file"]


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far")
    for text in ("first", "second"):
        with sole_maker(tmp_path / "link"), folder_aside(tmp_path / "link", MARK) as aside:
            (aside / MARK).write_text(text)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / MARK).read_text() == "second"
    assert names(tmp_path) == ["far", "link"]


@pytest.mark.parametrize("there", ["/Volumes/not here/out", "link"])
def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path, there: str) -> None:
    (tmp_path / "link").symlink_to(there)
    for aside in (file_aside, sole_maker, lambda path: folder_aside(path, MARK)):
        with (
            pytest.raises(
                BadInputError,
                match=f"link: is a link to {there}, which leads nowhere; remove the link, or make",
            ),
            aside(tmp_path / "link"),
        ):
            pytest.fail("nothing may be written")
    assert names(tmp_path) == ["link"]


def test_what_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o600)
    with file_aside(tmp_path / "file"):
        pass
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o2770)
    with folder_aside(tmp_path / "out", MARK):
        pass
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o2770


def test_a_strangers_file_in_an_older_output_is_refused_by_name(tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "notes").mkdir(parents=True)
    for name in (MARK, ".DS_Store", "notes/a.txt", "notes/b.txt"):
        (target / name).write_text("mine")
    with (
        pytest.raises(
            BadInputError,
            match=r"out/notes/a\.txt: was not written by an earlier run, and would be lost"
            r" \(and 1 more\); move it out of the folder, or choose another output",
        ),
        folder_aside(target, MARK) as aside,
    ):
        (aside / MARK).write_text("new")
    assert list(files_in(target)) == [MARK, "notes/a.txt", "notes/b.txt"]
    assert (target / MARK).read_text() == "mine"
    assert names(tmp_path) == ["out"]


def test_an_older_output_that_is_certainly_ours_goes_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    for name in (MARK, "stale"):
        (target / name).touch()
    with folder_aside(target, MARK, keep_nothing) as aside:
        (aside / MARK).touch()
    assert names(target) == [MARK]


def test_a_strangers_link_counts_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "old" / "models").symlink_to(tmp_path)
    with pytest.raises(BadInputError, match="old/models: was not written"):
        require_known(tmp_path / "old", tmp_path / "new")


def test_a_tree_is_linked(tmp_path: Path) -> None:
    (tmp_path / "old" / "deep").mkdir(parents=True)
    (tmp_path / "old" / "deep" / "file").write_text("x")
    (tmp_path / "old" / "link").symlink_to("nowhere")
    link_tree(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "new" / "deep" / "file").samefile(tmp_path / "old" / "deep" / "file")
    assert (tmp_path / "new" / "link").readlink() == Path("nowhere")


def test_where_files_have_one_name_alone_a_tree_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("text")
    link_tree(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "x").read_text() == "text"
    assert not (tmp_path / "b" / "x").samefile(tmp_path / "a" / "x")


@pytest.mark.parametrize("path", [".", "/", "a/.."])
def test_an_output_has_a_name_of_its_own(path: str) -> None:
    with pytest.raises(BadInputError, match=r"\ban output needs a name; give one"):
        find_place(Path(path))


def test_a_file_is_replaced_if_it_begins_as_ours_do(tmp_path: Path) -> None:
    target = tmp_path / "out"
    require_beginning(target, b"ours", "archive")
    for data in (b"", b"ours, and more"):
        target.write_bytes(data)
        require_beginning(target, b"ours", "archive")
    target.write_bytes(b"a thesis")
    with pytest.raises(BadInputError) as caught:
        require_beginning(target, b"ours", "archive")
    assert str(caught.value) == (
        f"{target}: exists and is no archive; choose another name or remove it"
    )


def test_a_disk_s_own_folder_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "disk")
    with (
        pytest.raises(BadInputError, match="disk: is where a disk is mounted; name a folder in it"),
        folder_aside(tmp_path / "disk", MARK),
    ):
        pytest.fail("nothing may be written")
