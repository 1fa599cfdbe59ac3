from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.envs.upstream.checkout import differences
from sdcoreml.envs.upstream.objects import Objects
from tests.upstreams import make_repository

CODE = "python_coreml_stable_diffusion"


def swap_link(folder: Path) -> None:
    (folder / "link").unlink()
    (folder / "link").symlink_to("setup.py")


def fifo(folder: Path) -> None:
    (folder / "setup.py").unlink()
    os.mkfifo(folder / "setup.py")


def file_behind_link(folder: Path) -> None:
    (folder / "setup.py").rename(folder.parent / "setup.py")
    (folder / "setup.py").symlink_to(folder.parent / "setup.py")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Path.exists, ()),
        (lambda folder: (folder / "setup.py").write_text("2\n"), ("setup.py",)),
        (lambda folder: (folder / "setup.py").unlink(), ("setup.py",)),
        (lambda folder: (folder / "setup.py").chmod(0o755), ("setup.py",)),
        (lambda folder: (folder / "run.sh").chmod(0o644), ("run.sh",)),
        (lambda folder: (folder / CODE / "torch.py").touch(), (f"{CODE}/torch.py",)),
        (lambda folder: (folder / CODE / "empty").mkdir(), (f"{CODE}/empty/",)),
        (lambda folder: (folder / "torch").symlink_to(CODE), ("torch",)),
        (swap_link, ("link",)),
        (fifo, ("setup.py",)),
        (file_behind_link, ("setup.py",)),
    ],
)
def test_what_is_not_as_the_commit_has_it(
    tmp_path: Path, change: Callable[[Path], object], expected: tuple[str, ...]
) -> None:
    upstream = make_repository(tmp_path / "source")
    change(tmp_path / "source")
    files = Objects(tmp_path / "source/.git/objects").files_of(upstream.commit)
    assert differences(tmp_path / "source", files) == expected
