from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdcoreml.doctor import cli
from sdcoreml.doctor.commands.clean import size_of
from sdcoreml.ground import locks

PART = ".cat.sdcoreml-abcdefgh.part"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder: with 7 bytes of leftovers in `models`, and 4 bytes of caches."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    for name, content in (
        (f"models/{PART}/half", "seven b"),
        ("models/.cat.old/precious", "a person's"),
        ("models/cat/manifest.json", "{}"),
        ("envs/packages/a.conda", "four"),
        ("envs/.sdcoreml-x/half", "xx"),
        ("envs/3ffb/python", "an environment"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def listed(place: Path, end: str) -> str:
    return (
        f"left    7 bytes  {place}/models/{PART}\n"
        f"left    2 bytes  {place}/envs/.sdcoreml-x\n"
        f"cache   4 bytes  {place}/envs/packages\n"
        f"{end}: 13 bytes\n"
    )


def test_what_would_go_is_listed_and_stays(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["clean", "--dry-run"]) == 0
    assert capsys.readouterr().out == listed(place, "would be removed")
    assert (place / "models" / PART / "half").exists()
    assert (place / "envs/packages/a.conda").exists()


def test_what_was_left_and_caches_go_and_nothing_else(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["clean"]) == 0
    assert capsys.readouterr().out == listed(place, "removed")
    kept = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert kept == {
        *("models/.cat.old/precious", "models/cat/manifest.json", "envs/3ffb/python"),
        "envs/.lock",
    }
    assert cli.main(["clean"]) == 0
    assert capsys.readouterr().out.startswith("nothing to remove: ")


def test_another_folder_is_looked_into_when_it_is_named(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "far" / PART).mkdir(parents=True)
    assert cli.main(["clean", "far"]) == 0
    assert f"{place}/far/{PART}" in capsys.readouterr().out
    assert list((place / "far").iterdir()) == []
    assert cli.main(["clean", "nowhere"]) == 2


def test_what_a_running_conversion_holds_stays(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = os.open(place / "models" / PART, os.O_RDONLY)
    locks.lock(handle)
    assert cli.main(["clean"]) == 0
    os.close(handle)
    assert PART not in capsys.readouterr().out
    assert (place / "models" / PART / "half").exists()


def test_a_folder_of_somebody_is_no_cache(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "envs/packages/thesis.txt").touch()
    (place / "envs/clip-vocabulary").mkdir()
    (place / "envs/clip-vocabulary/notes").touch()
    assert cli.main(["clean"]) == 0
    assert "cache" not in capsys.readouterr().out
    assert (place / "envs/packages/a.conda").exists()


def test_a_folder_of_environments_that_is_somebody_else_s_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: (path, mode) != (place / "envs", os.W_OK))
    assert cli.main(["clean"]) == 0
    assert "envs" not in capsys.readouterr().out
    assert (place / "envs/packages/a.conda").exists()


def test_where_no_environment_was_built_nothing_is_to_be_removed(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(place / "none"))
    assert cli.main(["clean"]) == 0
    assert "none" not in capsys.readouterr().out
    assert not (place / "none").exists()


def test_a_link_counts_for_itself_and_a_folder_for_its_files(place: Path) -> None:
    (place / "link").symlink_to("models")
    assert size_of(place / "link") == len("models")
    assert size_of(place / "models/cat/manifest.json") == 2
    assert size_of(place / "models") == len("seven ba person's{}")
