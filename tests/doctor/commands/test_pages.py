"""A page takes the place of a page alone, and no finished folder gets one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.jobs.manifest import MARKER
from sdcoreml.doctor.commands.pages import require_page, write_page
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.page import HEAD


def test_a_page_is_written_where_nothing_or_a_page_is(tmp_path: Path) -> None:
    target = tmp_path / "a.html"
    for number in range(2):
        require_page(target)
        write_page(HEAD + b"%d" % number, target)
        assert target.read_bytes() == HEAD + b"%d" % number
    assert [*tmp_path.iterdir()] == [target]


def test_another_file_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "notes.html"
    target.write_text("dear diary")
    with pytest.raises(BadInputError, match="exists and is no page of sdcoreml"):
        require_page(target)


def test_a_finished_folder_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / MARKER).touch()
    for name in ("a.html", "below/a.html"):
        with pytest.raises(UsageError) as caught:
            require_page(tmp_path / name)
        assert str(caught.value) == (
            f"{tmp_path / name}: is in a finished folder, which only a conversion changes;"
            " choose another place"
        )
    (tmp_path / MARKER).unlink()
    (tmp_path / MARKER).mkdir()
    require_page(tmp_path / "a.html")
