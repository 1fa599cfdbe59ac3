from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.cache.shelf import Cache, Values, WeightFile
from sdcoreml.doctor.cli import main
from sdcoreml.ground.digest import FileRecord, describe
from tests.golden import assert_golden


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("SDCOREML_CACHE", str(tmp_path / "cache"))
    return Cache(folder=tmp_path / "cache")


def test_what_is_remembered_is_listed(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    cache.keep_values(Values.AUDITS, "key", {"elements": 1})
    assert main(["cache"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "       1  106 bytes  audits of weights" in lines
    assert lines[-1] == f"{cache.folder}: 106 bytes"


def test_an_empty_cache_is_fine(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert [main(["cache", action]) for action in ("list", "gc", "verify")] == [0, 0, 0]
    assert_golden("cache-empty", capsys.readouterr().out.replace(str(cache.folder), "CACHE"))
    assert not cache.folder.exists()


def test_there_is_no_other_action() -> None:
    with pytest.raises(SystemExit):
        main(["cache", "sell"])


def test_changed_files_are_a_problem(
    tmp_path: Path, cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weight.bin").write_bytes(b"12345")
    content = FileRecord(size=5, sha256="0" * 64)
    made = WeightFile(content=content, paths=(str(tmp_path / "weight.bin"),))
    cache.keep_weights("key", "flat", made)
    assert main(["cache", "verify"]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"  {tmp_path}/weight.bin: its bytes are not those that were written"
    assert last.startswith(f"{cache.folder}: 1 changed")


def test_damaged_records_are_removed(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    (cache.folder / "audits").mkdir(parents=True)
    (cache.folder / "audits" / "key.json").write_text("{")
    assert main(["cache", "gc"]) == 0
    assert capsys.readouterr().out == f"{cache.folder}: 1 file removed\n"


@pytest.mark.parametrize("action", ["list", "gc", "verify"])
def test_the_cache_of_another_version_is_left_alone(
    cache: Cache, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (cache.folder / "audits").mkdir(parents=True)
    (cache.folder / "format").write_text("2\n")
    (cache.folder / "audits" / "key.json").write_text("newer")
    assert main(["cache", action]) == 3
    assert "another version of sdcoreml wrote this cache ('2')" in capsys.readouterr().err
    assert (cache.folder / "audits" / "key.json").read_text() == "newer"


def test_every_name_of_a_changed_file_is_told(
    tmp_path: Path, cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weight.bin").write_bytes(b"12345")
    (tmp_path / "again.bin").hardlink_to(tmp_path / "weight.bin")
    content = FileRecord(size=5, sha256="0" * 64)
    names = (str(tmp_path / "weight.bin"), str(tmp_path / "again.bin"))
    cache.keep_weights("key", "flat", WeightFile(content=content, paths=names))
    assert main(["cache", "verify"]) == 1
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()[:2]] == [
        f"  {tmp_path}/again.bin",
        f"  {tmp_path}/weight.bin",
    ]


def test_kept_files_are_listed_verified_and_removed_above_the_limit(
    tmp_path: Path,
    cache: Cache,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "program"
    path.write_bytes(b"12345")
    cache.keep_files({path: describe({"": path})[""]})
    assert [main(["cache", action]) for action in ("list", "verify")] == [0, 0]
    said = "       1    5 bytes  files that outlive their folders, 10.0 GB at most"
    assert f"{said} (SDCOREML_CACHE_LIMIT)" in capsys.readouterr().out
    (kept,) = cache.stock.entries()
    kept.path.write_bytes(b"54321")
    assert main(["cache", "verify"]) == 1
    assert f"  {kept.path}: its bytes are not those that were written" in capsys.readouterr().out
    monkeypatch.setenv("SDCOREML_CACHE_LIMIT", "4")
    assert main(["cache", "gc"]) == 0
    assert capsys.readouterr().out == f"{cache.folder}: 1 file removed\n"
    assert cache.stock.entries() == ()
