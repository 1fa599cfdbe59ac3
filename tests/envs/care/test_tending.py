"""What is restored in an environment belongs to its owner."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdcoreml.envs.care.tending import clear, take_over
from sdcoreml.envs.kept.manifest import SEALED


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_is_the_folder_s_and_the_group_stays(tmp_path: Path) -> None:
    (tmp_path / SEALED).mkdir()
    record = tmp_path / SEALED / "record.json"
    record.write_text("{}")
    os.chown(record, 12_345, 54_321)
    take_over(tmp_path)
    status = record.stat()
    assert (status.st_uid, status.st_gid) == (tmp_path.stat().st_uid, 54_321)


def test_whatever_is_in_the_way_is_cleared(tmp_path: Path) -> None:
    folder, file, link = (tmp_path / name for name in ("folder", "file", "link"))
    (folder / "inner").mkdir(parents=True)
    file.touch()
    link.symlink_to(folder)
    for path in (link, file, tmp_path / "absent"):
        clear(path)
    assert [*tmp_path.iterdir()] == [folder]
    clear(folder)
    assert [*tmp_path.iterdir()] == []
