from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.envs.kept.conda_meta import InstalledFile, list_files, records
from sdcoreml.ground.errors import BrokenError


def record(prefix: Path, name: str, **fields: object) -> None:
    (prefix / "conda-meta").mkdir(exist_ok=True)
    content = {"name": name, "version": "1", "build": "0"} | fields
    (prefix / "conda-meta" / f"{name}-1-0.json").write_text(json.dumps(content))


def test_records_come_sorted_and_history_is_none(tmp_path: Path) -> None:
    record(tmp_path, "b")
    record(tmp_path, "a")
    (tmp_path / "conda-meta" / "history").write_text("")
    assert [found["name"] for _, found in records(tmp_path)] == ["a", "b"]
    assert list(records(tmp_path / "no-conda")) == []


def test_what_a_package_laid_out(tmp_path: Path) -> None:
    paths = [
        {"_path": "bin/x", "path_type": "hardlink", "sha256": "aa"},
        {
            "_path": "bin/y",
            "path_type": "hardlink",
            "sha256": "bb",
            "sha256_in_prefix": "cc",
            "prefix_placeholder": "/opt/p",
        },
        {"_path": "bin/z", "path_type": "softlink", "sha256": "dd"},
        {"_path": "bin/w"},
    ]
    record(tmp_path, "a", paths_data={"paths": paths, "paths_version": 1})
    record(tmp_path, "b")  # as old versions of conda wrote them
    assert list(list_files(tmp_path)) == [
        InstalledFile(package="a", path="bin/x", sha256="aa", patched=False),
        InstalledFile(package="a", path="bin/y", sha256="cc", patched=True),
        InstalledFile(package="a", path="bin/z", sha256="", patched=False),
        InstalledFile(package="a", path="bin/w", sha256="", patched=False),
    ]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": 1, "version": "1", "build": "0"}', "{}"])
def test_a_damaged_record_is_one_line(tmp_path: Path, text: str) -> None:
    record(tmp_path, "a")
    path = tmp_path / "conda-meta" / "a-1-0.json"
    path.write_text(text)
    with pytest.raises(BrokenError) as caught:
        list(records(tmp_path))
    assert str(caught.value) == (
        f"{path}: is not the record of a conda package; make the environment again"
    )


def test_a_path_that_is_none_is_one_line(tmp_path: Path) -> None:
    record(tmp_path, "a", paths_data={"paths": [{"_path": 1}]})
    with pytest.raises(BrokenError, match="is not the record of a conda package; make the envir"):
        list(list_files(tmp_path))
