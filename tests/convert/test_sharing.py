from __future__ import annotations

from pathlib import Path

from convert.sharing import WEIGHTS, share_weights


def package(folder: Path, name: str, content: bytes) -> Path:
    path = folder / f"{name}.mlpackage" / WEIGHTS
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_equal_weights_of_one_folder_become_one_file(tmp_path: Path) -> None:
    plain = package(tmp_path, "Unet", b"weights")
    controlled = package(tmp_path, "ControlledUnet", b"weights")
    other = package(tmp_path, "VAEDecoder", b"WEIGHTS")
    assert share_weights((tmp_path,)) == (plain,)
    assert plain.samefile(controlled)
    assert not plain.samefile(other)
    assert (plain.read_bytes(), other.read_bytes()) == (b"weights", b"WEIGHTS")
    assert [path.name for path in plain.parent.iterdir()] == ["weight.bin"]


def test_another_folder_is_read_and_never_changed(tmp_path: Path) -> None:
    mine = package(tmp_path / "512x768", "Unet", b"weights")
    theirs = package(tmp_path / "512x512", "Unet", b"weights")
    inode = theirs.stat().st_ino
    assert share_weights((tmp_path / "512x768", tmp_path / "512x512")) == (mine,)
    assert mine.stat().st_ino == theirs.stat().st_ino == inode


def test_what_is_one_file_already_is_left_alone(tmp_path: Path) -> None:
    package(tmp_path, "Unet", b"weights")
    package(tmp_path, "ControlledUnet", b"weights")
    assert len(share_weights((tmp_path,))) == 1
    assert share_weights((tmp_path,)) == ()
