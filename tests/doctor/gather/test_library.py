"""What lies in a folder of models, as it is read without hashing anything whole."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from random import Random

import pytest

from sdcoreml.convert.bundle.ports import Dimensions, interfaces
from sdcoreml.convert.models.family import Family
from sdcoreml.doctor.core.library import OTHERS, Entry, Kind
from sdcoreml.doctor.gather import library
from sdcoreml.doctor.gather.library import read_entry, read_shelf
from sdcoreml.ground.errors import BadInputError
from tests.convert.stand_ins import model_of
from tests.doctor.gather.test_bundle import compiled

SIZE = Dimensions(batch=2, height=16, width=24, features=8, tokens=77)
UNET = model_of(interfaces(SIZE)["unet"])
MB = 1 << 20


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("made"), model=UNET)


def place(unet: Path, folder: Path, weights: bytes = b"") -> Path:
    """Copy the UNet into a folder, with these weights; return where they are."""
    folder.mkdir(parents=True)
    shutil.copytree(unet, folder / "Unet.mlmodelc")
    path = folder / "Unet.mlmodelc/weights/weight.bin"
    if weights:
        path.write_bytes(weights)
    return path


def names(folder: Path) -> list[str]:
    return [one.name for one in read_shelf(folder).entries]


def read(path: Path) -> Entry:
    entry = read_entry(path)
    assert entry is not None
    return entry


def test_what_is_visible_is_listed_by_name_whatever_its_case(tmp_path: Path) -> None:
    for name in ("b", "A", "C", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").touch()
    shelf = read_shelf(tmp_path)
    assert [one.name for one in shelf.entries] == ["A", "b", "C"]
    assert (shelf.path, shelf.weights) == (tmp_path, ())


def test_a_folder_with_programs_is_its_only_entry_unless_models_lie_beside_them(
    unet: Path, tmp_path: Path
) -> None:
    shelf = tmp_path / "m"
    place(unet, shelf)
    for name in ("controlnet", "notes"):
        (shelf / name).mkdir()
    assert names(shelf) == ["m"]
    place(unet, shelf / "cat")
    assert names(shelf) == ["m", "cat", "notes"]


def test_programs_of_no_known_name_are_entries(unet: Path, tmp_path: Path) -> None:
    shutil.copytree(unet, tmp_path / "Mine.mlmodelc")
    assert names(tmp_path) == ["Mine.mlmodelc"]


def test_what_is_no_folder_of_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        read_shelf(tmp_path / "none")
    assert caught.value.remedy == "give a folder of models"


def test_a_finished_folder_of_others_is_described(unet: Path, tmp_path: Path) -> None:
    weights = place(unet, tmp_path / "cat", bytes(5 * MB))
    entry = read(tmp_path / "cat")
    assert entry.bundle is not None
    assert (entry.kind, entry.maker, entry.family) == (Kind.MODEL, OTHERS, Family.UNKNOWN)
    assert (entry.attention, entry.storage, entry.size) == ("original", "", (192, 128))
    files = [path for path in weights.parents[1].rglob("*") if path.is_file()]
    assert entry.nbytes == sum(path.stat().st_size for path in files) > 5 * MB
    assert (entry.name, entry.path) == ("cat", str(tmp_path / "cat"))


def test_links_count_and_say_where_they_lead(unet: Path, tmp_path: Path) -> None:
    place(unet, tmp_path / "cat")
    (tmp_path / "again").symlink_to("cat")
    entry = read(tmp_path / "again")
    assert (entry.kind, entry.link) == (Kind.MODEL, "cat")
    assert read(tmp_path / "cat").link == ""


def test_a_link_to_nowhere_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("absent")
    entry = read(tmp_path / "gone")
    assert (entry.kind, entry.link) == (Kind.UNREADABLE, "absent")
    assert entry.reason == "a link to a file that is not there"


@pytest.mark.parametrize("depth", [1, 2])
def test_programs_that_lie_deeper_are_found_and_told_to_be_moved(
    unet: Path, tmp_path: Path, depth: int
) -> None:
    inner = "/".join("ab"[:depth])
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/0").mkdir()
    place(unet, tmp_path / "cat" / inner)
    entry = read(tmp_path / "cat")
    assert (entry.kind, entry.remedy) == (
        Kind.OTHER,
        "move that folder here, and rename it to cat",
    )
    assert entry.reason == f"its programs are deeper, in {inner}, where no app looks"


def test_of_several_deeper_ones_the_first_by_name_is_told(unet: Path, tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        place(unet, tmp_path / "cat" / name)
    assert "in a, where" in read(tmp_path / "cat").reason


def test_what_holds_no_model_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").touch()
    told = [(one.kind, one.reason) for one in read_shelf(tmp_path).entries]
    assert told == [(Kind.OTHER, "empty"), (Kind.OTHER, "nothing that is known here")]


@pytest.mark.parametrize("name", ["a.zip", "a.ZIP", "a.aar"])
def test_what_is_packed_is_to_be_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"12345")
    entry = read(tmp_path / name)
    assert (entry.kind, entry.nbytes) == (Kind.OTHER, 5)
    assert (entry.reason, entry.remedy) == ("packed, which no app looks into", "unpack it")


def test_files_that_are_no_models_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    os.mkfifo(tmp_path / "pipe.safetensors")
    assert read_entry(tmp_path / "a.txt") is None
    assert read_entry(tmp_path / "pipe.safetensors") is None
    (tmp_path / "a.SAFETENSORS").write_bytes(b"123")
    assert read(tmp_path / "a.SAFETENSORS").nbytes == 3


def test_hard_links_are_weighed_once_and_a_huge_folder_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / "m" / name).mkdir(parents=True)
        (tmp_path / "m" / name / "x").write_bytes(bytes(100))
        (tmp_path / "m" / name / "y").write_bytes(bytes(100))
    (tmp_path / "m/z").hardlink_to(tmp_path / "m/a/x")
    assert read(tmp_path / "m").nbytes == 400
    monkeypatch.setattr(library, "MOST_FILES", 2)
    assert read(tmp_path / "m").nbytes == 300
    monkeypatch.setattr(library, "MOST_FILES", 3)
    assert read(tmp_path / "m").nbytes == 400


def test_weights_of_a_mebibyte_are_worth_sharing(unet: Path, tmp_path: Path) -> None:
    path = place(unet, tmp_path / "a", bytes(MB))
    place(unet, tmp_path / "b", bytes(MB - 1))
    (weights,) = read_shelf(tmp_path).weights
    told = path.stat()
    assert (weights.entry, weights.program, weights.path) == ("a", "Unet", str(path))
    assert (weights.size, weights.inode) == (MB, (told.st_dev, told.st_ino))
    assert weights.digest == ""
    path.unlink()
    assert read_shelf(tmp_path).weights == ()
    path.mkdir()
    assert read_shelf(tmp_path).weights == ()


def test_a_program_by_itself_has_weights_too(unet: Path, tmp_path: Path) -> None:
    shutil.copytree(unet, tmp_path / "Mine.mlmodelc")
    path = tmp_path / "Mine.mlmodelc/weights/weight.bin"
    path.write_bytes(bytes(MB))
    (weights,) = read_shelf(tmp_path).weights
    assert weights.path == str(path)


def test_only_files_of_one_size_are_sampled_and_links_are_one_file(
    unet: Path, tmp_path: Path
) -> None:
    first = place(unet, tmp_path / "a", bytes(2 * MB))
    second = place(unet, tmp_path / "b")
    second.unlink()
    second.hardlink_to(first)
    assert [one.digest for one in read_shelf(tmp_path).weights] == ["", ""]
    place(unet, tmp_path / "c", b"x" * 2 * MB)
    place(unet, tmp_path / "d", b"x" * (2 * MB + 1))
    digests = [one.digest for one in read_shelf(tmp_path).weights]
    assert digests[0] == digests[1] != digests[2]
    assert digests[3] == ""
    assert len(digests[2]) == 64


def test_samples_are_sixteen_from_the_beginning_to_the_end(tmp_path: Path) -> None:
    path, sample = tmp_path / "w", 1 << 16
    data = Random(1).randbytes(3 * MB // 2)  # noqa: S311  no secret
    path.write_bytes(data)
    step = (len(data) - sample) // 15
    whole = b"".join(data[number * step :][:sample] for number in range(16))
    assert library._sample(path, len(data)) == hashlib.sha256(whole).hexdigest()
    path.write_bytes(b"abc")
    assert library._sample(path, 3) == hashlib.sha256(b"abc" * 16).hexdigest()
    assert library._sample(tmp_path / "none", 3) == ""
