"""Folders may be nested; what is nested beyond measure is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.tree import DEEPEST, walk


def test_folders_and_files_are_yielded(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("")
    found = [(place, names, files) for place, names, files in walk(tmp_path)]
    assert found[1:] == [(f"{tmp_path}/a", ["b"], []), (f"{tmp_path}/a/b", [], ["c"])]


def test_folders_that_are_nested_too_deep_are_refused(tmp_path: Path) -> None:
    deepest = tmp_path / "top" / "/".join("d" * DEEPEST)
    deepest.mkdir(parents=True)
    with pytest.raises(BadInputError, match="nested more than 400 deep") as caught:
        list(walk(tmp_path))
    assert caught.value.where == f"{tmp_path}/top"


def test_as_deep_as_may_be(tmp_path: Path) -> None:
    (tmp_path / "/".join("d" * DEEPEST)).mkdir(parents=True)
    assert len(list(walk(tmp_path))) == DEEPEST + 1
    (tmp_path / "/".join("d" * (DEEPEST + 1))).mkdir()
    with pytest.raises(BadInputError) as caught:
        list(walk(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}/d: folders are nested more than 400 deep; move it to another place"
    )
