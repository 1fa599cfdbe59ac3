from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdcoreml.convert.packages.sharing import share_weights
from sdcoreml.convert.packages.write import WEIGHTS


def package(folder: Path, name: str, content: bytes) -> Path:
    path = folder / f"{name}.mlpackage" / WEIGHTS
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_equal_weights_of_one_folder_become_one_file(tmp_path: Path) -> None:
    plain = package(tmp_path, "Unet", b"weights")
    controlled = package(tmp_path, "ControlledUnet", b"weights")
    other = package(tmp_path, "VAEDecoder", b"WEIGHTS")
    assert share_weights(tmp_path) == (plain,)
    assert plain.samefile(controlled)
    assert not plain.samefile(other)
    assert (plain.read_bytes(), other.read_bytes()) == (b"weights", b"WEIGHTS")
    assert [path.name for path in plain.parent.iterdir()] == ["weight.bin"]


def test_what_is_one_file_already_is_left_alone(tmp_path: Path) -> None:
    package(tmp_path, "Unet", b"weights")
    package(tmp_path, "ControlledUnet", b"weights")
    assert len(share_weights(tmp_path)) == 1
    assert share_weights(tmp_path) == ()


def test_files_of_one_size_are_compared_to_the_last_byte(tmp_path: Path) -> None:
    package(tmp_path, "Unet", b"weights")
    package(tmp_path, "VAEDecoder", b"weightz")
    assert share_weights(tmp_path) == ()


def test_three_of_a_kind_are_one_file(tmp_path: Path) -> None:
    paths = [package(tmp_path, name, b"weights") for name in ("A", "B", "C")]
    assert len(share_weights(tmp_path)) == 2
    assert len({path.stat().st_ino for path in paths}) == 1


def test_a_disk_without_hard_links_keeps_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [package(tmp_path, name, b"weights") for name in ("A", "B")]

    def refuse(source: Path, target: Path) -> None:
        raise OSError(1, f"Operation not permitted: {source} {target}")

    monkeypatch.setattr(os, "link", refuse)
    assert share_weights(tmp_path) == ()
    assert [path.read_bytes() for path in paths] == [b"weights", b"weights"]
    assert [path.name for path in paths[1].parent.iterdir()] == ["weight.bin"]


def test_what_a_killed_run_left_is_no_hindrance(tmp_path: Path) -> None:
    first, second = (package(tmp_path, name, b"weights") for name in ("A", "B"))
    (second.parent / ".weight.bin.link").write_bytes(b"half")
    (first.parent / ".weight.bin.link").write_bytes(b"half")
    assert len(share_weights(tmp_path)) == 1
    assert first.samefile(second)


def test_nothing_but_packages_is_looked_at(tmp_path: Path) -> None:
    package(tmp_path, "A", b"weights")
    (tmp_path / "B.mlmodelc" / "weights").mkdir(parents=True)
    (tmp_path / "B.mlmodelc" / "weights" / "weight.bin").write_bytes(b"weights")
    assert share_weights(tmp_path) == ()
    assert share_weights(tmp_path / "none") == ()
