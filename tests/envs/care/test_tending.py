"""What is restored in an environment belongs to its owner."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdcoreml.envs.care.tending import take_over
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
