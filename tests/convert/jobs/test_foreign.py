"""Whatever rewrites a finished folder keeps the files that users and apps have put into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.foreign import foreign_names
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.verify import verify
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Event
from tests.convert.stand_ins import StandIn, finish, finish_all, job_of, write_model

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
NOTES = "good at 30 steps\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "cat")


@pytest.fixture
def bundle(tmp_path: Path, model: Path) -> Path:
    """Return a finished folder to which a user added folders, notes and a broken link."""
    folder = finish(job(model, tmp_path / "out"), StandIn(size=SIZE))
    inhabit(folder)
    return folder


def inhabit(folder: Path) -> None:
    net = folder / "controlnet" / "Canny.mlmodelc"
    net.mkdir(parents=True)
    (net / "model.mil").write_bytes(b"a net")
    (folder / "notes.txt").write_text(NOTES)
    (folder / "notes.txt").chmod(0o600)
    (folder / "later").mkdir()
    (folder / "pictures").symlink_to("../nowhere")
    (folder / "Unet.mlmodelc" / ".DS_Store").touch()


def job(model: Path, output: Path, *redo: str) -> Job:
    return job_of(open_model(model), output, redo=frozenset(redo) or None)


def require_inhabited(folder: Path) -> None:
    assert (folder / "controlnet" / "Canny.mlmodelc" / "model.mil").read_bytes() == b"a net"
    assert (folder / "notes.txt").read_text() == NOTES
    assert (folder / "notes.txt").stat().st_mode & 0o777 == 0o600
    assert (folder / "later").is_dir()
    assert (folder / "pictures").readlink() == Path("../nowhere")


def test_what_is_not_ours_is_known_by_name(bundle: Path) -> None:
    assert foreign_names(bundle) == ("controlnet", "later", "notes.txt", "pictures")
    (bundle / "Unet.mlmodelc" / "weights" / "mine").touch()
    assert "Unet.mlmodelc/weights/mine" in foreign_names(bundle)


def test_a_conversion_over_an_older_result_keeps_it(bundle: Path, model: Path) -> None:
    before = (bundle / "notes.txt").stat()
    told: list[Event] = []
    finish(job(model, bundle), StandIn(size=SIZE), told.append)
    require_inhabited(bundle)
    after = (bundle / "notes.txt").stat()
    assert (after.st_ino, after.st_nlink, after.st_mtime_ns) == (
        *(before.st_ino, 1, before.st_mtime_ns),
    )
    assert "kept in out: controlnet, later, notes.txt, pictures" in [one.text for one in told]
    assert verify(bundle, StandIn(size=SIZE)).passed
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["cat", "out"]


def test_one_component_made_anew_keeps_it(bundle: Path, model: Path) -> None:
    finish(job(model, bundle, "unet"), StandIn(size=SIZE))
    require_inhabited(bundle)
    assert verify(bundle, StandIn(size=SIZE)).passed


def test_several_folders_at_once_keep_theirs(bundle: Path, model: Path) -> None:
    other = finish(job(model, bundle.with_name("other")), StandIn(size=SIZE))
    inhabit(other)
    (other / "notes.txt").write_text("others")
    jobs = [job(model, bundle), job(model, other)]
    finish_all(jobs, StandIn(size=SIZE))
    require_inhabited(bundle)
    assert (other / "notes.txt").read_text() == "others"
    assert (other / "controlnet" / "Canny.mlmodelc").is_dir()


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("SafetyChecker.mlmodelc/model.mil", "SafetyChecker.mlmodelc"),
        ("UnetChunk1.mlpackage/a", "UnetChunk1.mlpackage"),
        ("Unet.mlmodelc/my.txt", "Unet.mlmodelc/my.txt"),
    ],
)
def test_what_a_result_cannot_hold_is_refused_by_name_before_anything_is_built(
    bundle: Path, model: Path, name: str, named: str
) -> None:
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_text("mine")
    runner = StandIn(size=SIZE)
    with pytest.raises(BadInputError, match="move it out of the folder") as caught:
        finish(job(model, bundle), runner)
    assert str(caught.value).startswith(f"{bundle / named}: ")
    assert not runner.requests
    assert (bundle / name).read_text() == "mine"
    require_inhabited(bundle)


def test_a_disk_without_hard_links_gets_copies(
    bundle: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, _: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(self))

    monkeypatch.setattr("sdcoreml.convert.jobs.foreign.Path.hardlink_to", refused)
    finish(job(model, bundle), StandIn(size=SIZE))
    require_inhabited(bundle)
