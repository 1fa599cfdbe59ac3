from __future__ import annotations

import hashlib
from pathlib import Path

from convert.digest import describe_files, files_below, sha256


def test_a_file_longer_than_one_read(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_files_are_described_by_their_path_below_the_base(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "b").write_bytes(b"b")
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "c").hardlink_to(tmp_path / "x" / "b")
    b = {"size": 1, "sha256": hashlib.sha256(b"b").hexdigest()}
    assert describe_files(files_below(tmp_path), tmp_path) == {
        "a": {"size": 0, "sha256": hashlib.sha256(b"").hexdigest()},
        "c": b,
        "x/b": b,
    }
    assert list(describe_files(files_below(tmp_path), tmp_path)) == ["a", "c", "x/b"]
