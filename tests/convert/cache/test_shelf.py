from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sdcoreml.convert.cache.shelf import Cache, Record, Values, cache_folder, open_cache
from sdcoreml.ground.events import Event


def test_a_record_is_found_again_with_its_folders(tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path)
    assert cache.find("k") is None
    for folder in ("/a", "/b", "/a"):
        cache.keep("k", Record(entry={"x": 1}, answers={"y": 2}, folders=(folder,)))
    found = Cache(folder=tmp_path).find("k")
    assert found == Record(entry={"x": 1}, answers={"y": 2}, folders=("/b", "/a"))


def test_only_the_newest_folders_are_remembered(tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path)
    for number in range(20):
        cache.keep("k", Record(entry={}, folders=(f"/{number}",)))
    found = cache.find("k")
    assert found is not None
    assert found.folders == tuple(f"/{number}" for number in range(12, 20))


@pytest.mark.parametrize("content", ["", "{", '{"entry": 3}', '{"entry": {}, "more": 1}'])
def test_a_damaged_record_is_none_and_is_replaced(tmp_path: Path, content: str) -> None:
    cache = Cache(folder=tmp_path)
    cache.keep("k", Record(entry={}))
    (tmp_path / "programs" / "k.json").write_text(content)
    assert cache.find("k") is None
    cache.keep("k", Record(entry={"x": 1}))
    assert cache.find("k") == Record(entry={"x": 1})


def test_a_finished_folder_is_found_again(tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path)
    assert cache.find_finished("k") is None
    cache.keep_finished("k", "1" * 64)
    cache.keep_finished("k", "2" * 64)
    assert cache.find_finished("k") == "2" * 64


def test_values_are_found_as_they_were_kept_or_not_at_all(tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path)
    cache.keep_values(Values.PALETTES, "k", {"w": [0.25, -0.0], "\udcff": None})
    assert cache.find_values(Values.PALETTES, "k") == {"w": [0.25, -0.0], "\udcff": None}
    path = tmp_path / "palettes" / "k.json"
    path.with_name("other.json").write_text(path.read_text())
    assert cache.find_values(Values.PALETTES, "other") == {}
    path.write_text(path.read_text().replace("0.25", "0.75"))
    assert cache.find_values(Values.PALETTES, "k") == {}
    path.write_text('{"w": [0.25]}')  # as an older version kept them
    assert cache.find_values(Values.PALETTES, "k") == {}


def test_files_are_described_where_nothing_can_be_remembered(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    cache = Cache(folder=tmp_path / "file" / "cache")
    found = cache.describe({"x": tmp_path / "file"})
    assert found["x"].sha256.startswith("ba7816bf")


def test_what_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told: list[Event] = []
    cache = Cache(folder=tmp_path / "file" / "cache", emit=told.append)
    cache.keep("k", Record(entry={}))
    cache.keep_finished("k", "")
    with cache.hold(["k"]):
        pass
    (event,) = told
    assert event.kind == "warning"
    assert "nothing is remembered for other conversions (Not a directory)" in event.text


def test_who_wants_the_same_programs_waits(tmp_path: Path) -> None:
    told: list[Event] = []
    reached = threading.Event()

    def want() -> None:
        with Cache(folder=tmp_path, emit=told.append).hold(["b", "a"]):
            reached.set()

    with Cache(folder=tmp_path).hold(["a"]):
        other = threading.Thread(target=want)
        other.start()
        assert not reached.wait(0.1)
    assert reached.wait(120)
    other.join()
    assert "waiting for process" in told[0].text


def test_an_error_in_the_block_is_not_forgiven(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no"), Cache(folder=tmp_path).hold(["a"]):
        raise OSError(1, "no")


def test_a_cache_of_another_version_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    assert open_cache() is not None
    assert open_cache() is not None
    (tmp_path / "format").write_text("2\n")
    told: list[Event] = []
    assert open_cache(told.append) is None
    assert [event.text for event in told] == [
        f"{tmp_path}: of another version of sdcoreml ('2'); it is left alone"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["format"]


def test_what_killed_runs_left_is_removed_as_the_cache_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_CACHE", str(tmp_path))
    left = [
        tmp_path / place / ".x.sdcoreml-01234567.part" for place in (".", "files", "weights/key")
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    assert open_cache() is not None
    assert [path for path in left if path.exists()] == []
