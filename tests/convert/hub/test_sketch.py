"""A model is drawn by the headers of its files, of which no more is read than is needed."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.hub.failures import Asked
from sdcoreml.convert.hub.names import HubName
from sdcoreml.convert.hub.sketch import FIRST, draw_header, folder_of_links, read_start
from sdcoreml.convert.hub.transfer import Wanted
from sdcoreml.ground.errors import BadInputError

ASKED = Asked(name=HubName(repo="owner/cat"), server="https://hub", file="it.safetensors")


class Web:
    """A server with one file, which it sends in pieces; with `ranges`, only what is asked for."""

    def __init__(self, content: bytes, piece: int = 4, *, ranges: bool = True) -> None:
        self.content, self.piece, self.ranges = content, piece, ranges
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.sent = 0

    @contextmanager
    def answer(
        self, url: str, asked: Asked, token: str, headers: Mapping[str, str]
    ) -> Iterator[Any]:
        assert asked is ASKED
        self.asked.append((url, token, headers["Range"]))
        last = int(headers["Range"].rpartition("-")[2])
        self.body = self.content[: last + 1] if self.ranges else self.content
        yield self

    def iter_bytes(self) -> Iterator[bytes]:
        for start in range(0, len(self.body), self.piece):
            self.sent += len(self.body[start : start + self.piece])
            yield self.body[start : start + self.piece]


def wanted(folder: Path, size: int | None = None) -> Wanted:
    return Wanted(url="https://hub/it", target=folder, lock=folder, size=size, token="t")  # noqa: S106  none


def test_no_more_is_read_than_was_asked_for(tmp_path: Path) -> None:
    web: Any = Web(bytes(100), ranges=False)
    assert read_start(wanted(tmp_path), web, ASKED, 8) == (bytes(8), 8)
    assert web.sent == 8
    assert web.asked == [("https://hub/it", "t", "bytes=0-7")]
    assert read_start(wanted(tmp_path), web, ASKED, 10) == (bytes(10), 12)


def test_the_size_is_what_the_server_says_or_the_list_or_what_came(tmp_path: Path) -> None:
    web: Any = Web(bytes(100))
    assert read_start(wanted(tmp_path), web, ASKED, 10) == (bytes(10), 10)
    assert read_start(wanted(tmp_path, 50), web, ASKED, 10) == (bytes(10), 50)
    web.headers["Content-Length"] = "77"
    assert read_start(wanted(tmp_path, 50), web, ASKED, 10) == (bytes(10), 77)
    web.headers["Content-Range"] = "bytes 0-9/100"
    assert read_start(wanted(tmp_path, 50), web, ASKED, 10) == (bytes(10), 100)


def model(header: bytes, data: int) -> bytes:
    return struct.pack("<Q", len(header)) + header + bytes(data)


@pytest.mark.parametrize("length", [2, FIRST - 8, FIRST - 7])
def test_a_header_is_written_whole_and_the_rest_is_a_hole(tmp_path: Path, length: int) -> None:
    header = b"{" + b" " * (length - 2) + b"}"
    content = model(header, 1 << 20)
    web: Any = Web(content, 1 << 16)
    target = tmp_path / "unet" / "it.safetensors"
    assert draw_header(wanted(tmp_path, len(content)), web, ASKED, target) == len(content)
    assert target.read_bytes() == content
    asked = [words for _, _, words in web.asked]
    first = [f"bytes=0-{FIRST - 1}"]
    assert asked == (first if length + 8 <= FIRST else [*first, f"bytes=0-{length + 7}"])


@pytest.mark.parametrize(
    "content",
    [b"", b"abcdefg", model(b"[]", 9), model(b"{}", 0)[:9], struct.pack("<Q", (100 << 20) - 7)],
)
def test_what_has_no_header_is_no_model(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadInputError) as caught:
        draw_header(wanted(tmp_path), Web(content), ASKED, tmp_path / "it")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "owner/cat: it.safetensors does not have the header of a safetensors file; "
        "choose another file of the model"
    )
    assert not (tmp_path / "it").exists()


def test_an_error_names_the_model_as_it_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    places = {"unet/a": tmp_path / "a", "b": tmp_path / "a"}
    with folder_of_links("cat", places, "owner/cat@main") as folder:
        assert folder.name == "cat"
        assert {path: (folder / path).resolve() for path in places} == dict.fromkeys(
            places, (tmp_path / "a").resolve()
        )
    assert not folder.exists()
    for said, where, expected in (
        ("owner/cat@main", "", "owner/cat@main"),
        ("owner/cat@main", "unet/a", "owner/cat@main/unet/a"),
        ("owner/cat/unet/a@main", "unet/a", "owner/cat/unet/a@main"),
    ):
        with pytest.raises(BadInputError) as caught, folder_of_links("cat", places, said) as folder:
            raise BadInputError("is odd", where=folder / where)
        assert str(caught.value) == f"{expected}: is odd"
