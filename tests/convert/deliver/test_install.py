"""Installing puts folders where apps look, replaces nothing of others, and leaves nothing half."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.deliver.contents import Contents, contents_of
from sdcoreml.convert.deliver.install import (
    Installed,
    Installer,
    require_free,
    require_home,
)
from sdcoreml.convert.jobs.manifest import write_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.verify import verify
from sdcoreml.convert.weights.clone import Placement
from sdcoreml.ground.aside import sole_maker
from sdcoreml.ground.errors import BadInputError, BusyError
from sdcoreml.ground.events import Event, silent
from tests.convert.stand_ins import StandIn, finish, job_of, write_controlnet, write_model

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


def make(parent: Path, name: str = "cat", folder: str = "cat_128x128") -> Path:
    return finish(
        job_of(open_model(write_model(parent / name)), parent / folder), StandIn(size=SIZE)
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished folder, which no test changes."""
    return make(tmp_path_factory.mktemp("made"))


def install(folder: Path, place: Path) -> Installed:
    return Installer(emit=silent).install(contents_of(folder), place)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_installed_is_what_apps_load_and_proves_itself(made: Path, tmp_path: Path) -> None:
    said: list[Event] = []
    done = Installer(emit=said.append).install(contents_of(made), tmp_path)
    assert done.path == tmp_path / "cat_128x128"
    assert [event.text for event in said if event.kind == "step"] == [f"install {done.path}"]
    assert done.way is not None
    assert names(tmp_path) == ["cat_128x128"]
    assert not [*done.path.glob("*.mlpackage")]
    assert verify(done.path, StandIn(size=SIZE)).passed


def test_a_copy_is_nobodys_hard_link(made: Path, tmp_path: Path) -> None:
    copy = install(made, tmp_path).path / "vocab.json"
    assert not copy.samefile(made / "vocab.json")


def test_what_is_there_already_is_left_alone(made: Path, tmp_path: Path) -> None:
    first = install(made, tmp_path).path.stat()
    again = install(made, tmp_path)
    assert (again.way, again.path.stat().st_ino) == (None, first.st_ino)
    (again.path / "Unet.mlmodelc/model.mil").write_text("cut off")
    assert install(made, tmp_path).way is not None, "what is damaged is installed anew"
    assert verify(again.path, StandIn(size=SIZE)).passed


def test_what_the_app_and_its_user_put_there_stays(made: Path, tmp_path: Path) -> None:
    place = install(made, tmp_path).path
    (place / "controlnet").symlink_to("/Users/me/MochiDiffusion/controlnet")
    (place / "notes.txt").write_text("good at 30 steps")
    (place / "manifest.json").write_text((place / "manifest.json").read_text() + "\n")
    install(made, tmp_path)
    assert (place / "controlnet").readlink() == Path("/Users/me/MochiDiffusion/controlnet")
    assert (place / "notes.txt").read_text() == "good at 30 steps"


@pytest.mark.parametrize("content", ["foreign", "manifest", "file", "empty manifest"])
def test_nothing_of_others_is_replaced(made: Path, tmp_path: Path, content: str) -> None:
    place = tmp_path / "models/cat_128x128"
    place.parent.mkdir()
    match content:
        case "foreign":
            (place / "Unet.mlmodelc").mkdir(parents=True)
        case "manifest":
            shutil.copytree(make(tmp_path, "dog", "dog_128x128"), place)
        case "file":
            place.write_text("mine")
        case _:
            place.mkdir()
            (place / "manifest.json").write_text("{}")
    with pytest.raises(BadInputError, match="choose another --name"):
        install(made, tmp_path / "models")
    assert names(tmp_path / "models") == ["cat_128x128"]


def test_an_empty_folder_of_that_name_is_nobodys(made: Path, tmp_path: Path) -> None:
    (tmp_path / "cat_128x128").mkdir()
    assert install(made, tmp_path).way is not None


def test_a_file_that_was_cut_meanwhile_leaves_nothing(made: Path, tmp_path: Path) -> None:
    contents = contents_of(made)
    gone = {**contents.files, "zzz": contents.files["vocab.json"]}
    with pytest.raises(BadInputError):
        Installer(emit=silent).install(replace(contents, files=gone), tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_shared_weights_stay_shared_in_a_folder_and_between_folders(tmp_path: Path) -> None:
    folders = [make(tmp_path / letter, folder=f"{letter}_128x128") for letter in "ab"]
    weights = [folder / "Unet.mlmodelc/weights/weight.bin" for folder in folders]
    for path in weights:
        path.parent.mkdir(exist_ok=True)
    if not weights[0].exists():
        pytest.fail("the stand-in has no weights")
    weights[1].unlink()
    weights[1].hardlink_to(weights[0])
    installer = Installer(emit=silent)
    place = tmp_path / "models"
    one, other = (installer.install(contents_of(folder), place).path for folder in folders)
    inner = "Unet.mlmodelc/weights/weight.bin"
    assert (one / inner).samefile(other / inner)


def test_what_an_earlier_run_installed_is_shared_if_it_still_is_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdcoreml.convert.deliver.install.LARGE", 1)
    one, other = (make(tmp_path / letter, folder=f"{letter}_128x128") for letter in "ab")
    place = tmp_path / "models"
    first = install(one, place)
    second = install(other, place)
    inner = "Unet.mlmodelc/weights/weight.bin"
    is_cloned = first.way is Placement.CLONED
    assert is_cloned or (first.path / inner).samefile(second.path / inner)
    shutil.rmtree(second.path)
    damaged = first.path / inner
    damaged.write_bytes(bytes(damaged.stat().st_size))
    third = install(other, place)
    assert (third.path / inner).read_bytes() == (other / inner).read_bytes()


def test_a_controlnet_is_installed_as_its_program(tmp_path: Path) -> None:
    net = finish(
        job_of(open_model(write_controlnet(tmp_path / "canny")), tmp_path / "Canny"),
        StandIn(size=SIZE),
    )
    (program,) = net.glob("*.mlmodelc")
    done = install(net, tmp_path / "nets")
    assert (names(tmp_path / "nets"), done.path.name) == ([program.name], program.name)
    assert (done.path / "metadata.json").read_bytes() == (program / "metadata.json").read_bytes()
    (done.path / ".DS_Store").touch()
    assert install(net, tmp_path / "nets").way is None
    (done.path / "weights/more.bin").touch()
    with pytest.raises(BadInputError, match="another ControlNet has this name"):
        install(net, tmp_path / "nets")
    (done.path / "weights/more.bin").unlink()
    (done.path / "model.mil").write_text("of somebody else")
    with pytest.raises(BadInputError, match="another ControlNet has this name"):
        install(net, tmp_path / "nets")


def test_two_at_once_do_not_mix(made: Path, tmp_path: Path) -> None:
    with sole_maker(tmp_path / "cat_128x128"), pytest.raises(BusyError):
        install(made, tmp_path)


def test_a_model_of_the_same_name_is_refused_before_the_work(made: Path, tmp_path: Path) -> None:
    require_free(tmp_path / "cat_128x128", "cat", is_bare=False)
    install(made, tmp_path)
    require_free(tmp_path / "cat_128x128", "cat", is_bare=False)
    with pytest.raises(BadInputError, match="made of cat and not of dog"):
        require_free(tmp_path / "cat_128x128", "dog", is_bare=False)


def test_another_model_of_the_same_name_is_never_replaced(made: Path, tmp_path: Path) -> None:
    namesake = write_model(tmp_path / "b/cat")
    save_file(
        {"weight": np.ones(8, np.float32)}, namesake / "vae/diffusion_pytorch_model.safetensors"
    )
    other = finish(job_of(open_model(namesake), tmp_path / "b/cat_128x128"), StandIn(size=SIZE))
    changed = shutil.copytree(made, tmp_path / "c/cat_128x128")
    manifest = contents_of(made).manifest
    model = replace(manifest.model, made_from={"loras": [["fur.safetensors", 1.0]]})
    write_manifest(replace(manifest, model=model), changed)
    place = install(made, tmp_path / "models").path
    for folder in (other, changed):
        with pytest.raises(BadInputError, match=r"made of other files.*another --name"):
            install(folder, tmp_path / "models")
    assert (place / "manifest.json").read_bytes() == (made / "manifest.json").read_bytes()


def test_the_same_model_with_other_options_replaces_its_earlier_result(
    made: Path, tmp_path: Path
) -> None:
    again = shutil.copytree(made, tmp_path / "again/cat_128x128")
    manifest = contents_of(made).manifest
    inputs = {name: one for name, one in manifest.inputs.items() if not name.startswith("vae/")}
    write_manifest(replace(manifest, inputs=inputs, part=True), again)
    install(again, tmp_path / "models")
    assert install(made, tmp_path / "models").way is not None


def test_what_it_was_assembled_from_is_compared_before_the_work(made: Path, tmp_path: Path) -> None:
    install(made, tmp_path)
    require_free(tmp_path / "cat_128x128", "cat", {}, is_bare=False)
    with pytest.raises(BadInputError, match="made of other files"):
        require_free(tmp_path / "cat_128x128", "cat", {"loras": []}, is_bare=False)


def test_a_folder_of_the_app_that_is_not_there(tmp_path: Path) -> None:
    absent = tmp_path / "models"
    require_home(tmp_path, chosen=True, may_make=False)
    require_home(absent, chosen=False, may_make=True)
    with pytest.raises(BadInputError, match="connect its disk"):
        require_home(absent, chosen=True, may_make=True)
    with pytest.raises(BadInputError, match="not on this machine"):
        require_home(absent, chosen=False, may_make=False)


def test_contents_are_named_by_their_folder(made: Path) -> None:
    contents: Contents = contents_of(made)
    assert [*contents.files] == sorted(contents.files)
    assert contents.nbytes == sum((made / name).stat().st_size for name in contents.files)


def test_where_no_link_can_be_made_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [make(tmp_path / letter, folder=f"{letter}_128x128") for letter in "ab"]
    inner = "Unet.mlmodelc/weights/weight.bin"
    (folders[1] / inner).unlink()
    (folders[1] / inner).hardlink_to(folders[0] / inner)

    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", source, None, target)

    monkeypatch.setattr("os.link", refuse)
    installer = Installer(emit=silent)
    one, other = (
        installer.install(contents_of(folder), tmp_path / "models").path for folder in folders
    )
    assert (one / inner).read_bytes() == (other / inner).read_bytes()
    assert not (one / inner).samefile(other / inner)
