from __future__ import annotations

from pathlib import Path

from sdcoreml.convert.jobs.reuse import place_files


def test_small_files_of_equal_content_stay_two(tmp_path: Path) -> None:
    for name in ("a", "weight.bin"):
        (tmp_path / name).write_bytes(b"same")
    files = {"x/a": "a", "y/a": "a", "x/weight.bin": "weight.bin", "y/weight.bin": "weight.bin"}
    place_files({name: tmp_path / one for name, one in files.items()}, tmp_path / "new")
    assert not (tmp_path / "new/x/a").samefile(tmp_path / "new/y/a"), "somebody may edit one"
    assert (tmp_path / "new/x/weight.bin").stat().st_size == 4
