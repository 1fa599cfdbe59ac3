from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.verify import verify
from tests.convert.stand_ins import StandIn, finish, job_of, write_model

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
WEIGHTS = "Unet.mlmodelc/weights/weight.bin"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("intact")
    job = job_of(open_model(write_model(place / "cat")), place / "out", "SPLIT_EINSUM")
    return finish(job, StandIn(size=SIZE))


def link(path: Path) -> None:
    aside = path.with_name("aside")
    path.rename(aside)
    path.symlink_to(aside)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        (WEIGHTS, link, "a link in place of what was written"),
        ("Unet.mlmodelc", link, "a link in place of what was written"),
        ("vocab.json", pipe, "a folder, pipe or device in place of a file"),
        (WEIGHTS, pipe, "a folder, pipe or device in place of a file"),
        ("merges.txt", lambda path: path.chmod(0o666), "its mode is 0666, the others' is 0644"),
        ("Unet.mlmodelc/more", Path.touch, "not written by this conversion"),
        ("Unet.mlpackage/more", Path.mkdir, "not written by this conversion"),
        ("vocab.json", Path.unlink, "missing"),
        ("report.html", Path.unlink, "missing"),
        ("report.html", link, "a link in place of what was written"),
        (
            "report.html",
            lambda path: path.write_bytes(path.read_bytes().replace(b"proved", b"tested")),
            "changed since it was written",
        ),
        ("Unet.mlmodelc/.DS_Store", Path.touch, None),
        ("notes.txt", Path.touch, None),
    ],
)
def test_what_is_no_file_of_this_conversion(
    made: Path, tmp_path: Path, name: str, change: Callable[[Path], object], what: str | None
) -> None:
    folder = copytree(made, tmp_path / "out")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    change(folder / name)
    found = [fault.what for fault in verify(folder, StandIn(size=SIZE)).faults]
    assert found == ([what] if what else [])
