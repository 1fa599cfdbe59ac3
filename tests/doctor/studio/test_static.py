"""Files of the page are sent by their names, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.studio.refusals import AbsentError
from sdcoreml.doctor.studio.static import find_index, find_static
from sdcoreml.doctor.studio.way import Media


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    folder.mkdir()
    for name in ("a.css", "a.js", "a.json", "a.svg", "secret.txt"):
        (folder / name).write_text(name)
    (folder / "index.html").write_text('<a href="/page/a.css"><b src="/page/a.js"> /page/')
    (tmp_path / "outside.css").touch()
    return folder


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
    ],
)
def test_a_file_has_its_type(page: Path, name: str, media_type: str) -> None:
    assert find_static(name, page) == Media(content=name.encode(), media_type=media_type)


@pytest.mark.parametrize("name", ["b.css", "secret.txt", "../outside.css", "", ".", "./a.css"])
def test_nothing_else_is_sent(page: Path, name: str) -> None:
    with pytest.raises(AbsentError) as caught:
        find_static(name, page)
    assert caught.value.what == "the page has no such file"
    assert caught.value.where == name


def test_the_files_of_the_index_are_where_they_are_said_to_be(page: Path) -> None:
    assert find_index("/v1/", page) == Media(
        content=b'<a href="/v1/a.css"><b src="/v1/a.js"> /page/',
        media_type="text/html; charset=utf-8",
    )


def test_the_page_itself_has_an_index() -> None:
    assert b"<html" in find_index("/x/").content
