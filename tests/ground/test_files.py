from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.ground import files
from sdcoreml.ground.digest import sha256
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, open_regular, read_bytes, read_leniently, read_text
from tests.handles import nothing_left_open


def complaint(path: Path, document: Document = Document.SETTINGS) -> str:
    with pytest.raises(BadInputError) as caught:
        read_bytes(path, document, remedy="restore it")
    return caught.value.complaint


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    (tmp_path / "b").symlink_to("a")
    assert read_bytes(tmp_path / "a", Document.TEXT) == b"text"
    assert read_bytes(tmp_path / "b", Document.TEXT) == b"text"
    with open_regular(tmp_path / "b") as stream:
        assert os.get_blocking(stream.fileno())
        assert stream.read() == b"text"


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Path.mkdir, "a folder, not a file; restore it"),
        (os.mkfifo, "a named pipe, not a file; restore it"),
        (make_socket, "a socket, not a file; restore it"),
        (lambda path: path.symlink_to("/dev/zero"), "a device, not a file; restore it"),
        (lambda path: path.symlink_to("gone"), "a link to a file that is not there; restore it"),
        (lambda path: path.symlink_to(path.name), "links that lead in a circle; restore it"),
        (lambda _: None, "no such file; restore it"),
    ],
)
def test_whatever_else_stands_in_a_files_place_is_named(
    make: Callable[[Path], object], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    make(path)
    assert complaint(path) == said


def test_what_is_exchanged_between_looking_and_opening_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, pipe = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"text")
    os.mkfifo(pipe)
    status = path.stat()
    pipe.rename(path)
    monkeypatch.setattr(Path, "stat", lambda _: status)
    assert complaint(path) == "a named pipe, not a file; restore it"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a" * 300, "the name is too long for any disk; restore it"),
        ("a\0b", "no file can have this name; restore it"),
        ("file/below", "no such file; restore it"),
    ],
)
def test_a_name_that_no_file_can_have_is_said(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert complaint(tmp_path / name) == said


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch(mode=0)
    child = os.fork()
    if not child:  # pragma: no cover  as a user who is not root
        code = 1
        try:
            tmp_path.parent.chmod(0o755)
            for one in (tmp_path, *tmp_path.parents[:3]):
                one.chmod(one.stat().st_mode | 0o011)
            if not os.geteuid():
                os.seteuid(65534)
            said = complaint(path)
            code = said != "not readable: Permission denied; see who may read it"
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_a_size_beyond_its_kinds_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as stream:
        stream.truncate(1 << 33)
    said = "larger than 1,048,576 bytes, too large for a settings file; restore it"
    assert complaint(path) == said


@pytest.mark.skipif(not Path("/proc/kallsyms").exists(), reason="no file of /proc that is large")
def test_a_file_that_hides_its_size_is_read_up_to_the_limit() -> None:
    path = Path("/proc/kallsyms")
    if len(path.read_bytes()) <= files.MIB:
        pytest.skip("it is small here")
    assert complaint(path).startswith("larger than 1,048,576 bytes")


def test_every_kind_has_its_limit() -> None:
    assert set(files.LARGEST) == set(Document)


def test_text_is_utf_8_and_its_lines_end_in_line_feeds(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree")
    assert read_text(path, Document.TEXT) == "one\ntwo\nthree"
    path.write_bytes(b"one\xfftwo")
    with pytest.raises(BadInputError, match=r"not UTF-8 \(invalid start byte at byte 3\); again$"):
        read_text(path, Document.TEXT, remedy="again")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"one\xfftwo\r\n", "one\N{REPLACEMENT CHARACTER}two\n"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}one\r\n".encode("utf-16-le"), "one\n"),
        ("one".encode("utf-16"), "one"),
    ],
)
def test_a_text_to_search_may_have_any_encoding(data: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    assert read_leniently(tmp_path / "a", Document.LOG) == text


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that opens and fails")
@pytest.mark.parametrize("read", [lambda s: s.read(8), lambda s: s.read(), lambda s: s.peek()])
def test_what_opens_and_cannot_be_read_is_named(
    read: Callable[[io.BufferedReader], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "model.ckpt"
    path.symlink_to("/proc/self/mem")
    with open_regular(path) as stream, pytest.raises(BadInputError) as caught:
        read(stream)
    assert (caught.value.where, caught.value.what) == (
        str(path),
        "not readable: Input/output error",
    )
    with pytest.raises(BadInputError, match=r"model\.ckpt: not readable"):
        sha256(path)


def test_what_a_kind_of_file_is_called() -> None:
    assert [document.value for document in Document] == [
        *("an answer", "a config", "a file of facts", "a lock", "a log", "a manifest"),
        *("a program", "a record", "a settings file", "a file of the system", "a text"),
        *("a vocabulary", "an index of shards"),
    ]


def test_what_is_refused_is_not_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, status = tmp_path / "a", (tmp_path).stat()
    path.touch()
    status = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda _: status)
    with nothing_left_open():
        assert complaint(path) == "a named pipe, not a file; restore it"
    monkeypatch.undo()
    path.unlink()
    path.write_bytes(b"x")
    with nothing_left_open():
        assert read_bytes(path, Document.TEXT) == b"x"
        with open_regular(path) as stream:
            assert stream.read() == b"x"
