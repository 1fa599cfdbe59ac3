from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.numpy

from sdcoreml.convert.models.folder_plan import write_folder
from sdcoreml.convert.models.layout import read_model
from sdcoreml.convert.models.merge import merge_component, plan_folder, plan_unet, require_apart
from sdcoreml.convert.weights.writer import WriteOptions
from sdcoreml.ground.errors import BadInputError, NoSpaceError
from sdcoreml.ground.events import Event
from tests.convert.models.folders import WEIGHTS, save_safetensors, write_json, write_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_sharded_folder_becomes_one_file_a_component(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "out"
    events: list[Event] = []
    written = write_folder(plan_folder(read_model(folder)), out, emit=events.append)
    assert tree(out) == [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    reference = save_safetensors(tmp_path / "reference.safetensors").read_bytes()
    assert {path.read_bytes() for path in out.rglob("*.safetensors")} == {reference}
    assert [e.text for e in events if e.kind == "step"] == [
        "write text_encoder",
        "write unet",
        "write vae",
    ]
    assert [file.path.parent.name for file in written] == ["text_encoder", "unet"]
    vae = "vae/diffusion_pytorch_model.safetensors"
    assert (out / vae).samefile(folder / vae) or (out / vae).stat().st_nlink == 1
    assert read_model(out).faults == ()
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_component_that_is_one_file_is_used_in_place(tmp_path: Path, folder: Path) -> None:
    components = read_model(folder).components
    target = tmp_path / "merged"
    assert merge_component(components["vae"], target) == components["vae"].weights[0]
    assert not target.exists()
    merged = merge_component(components["unet"], target)
    assert merged == target / "diffusion_pytorch_model.safetensors"
    assert set(safetensors.numpy.load_file(merged)) == set(WEIGHTS)


def test_half_precision_tells_what_overflowed(tmp_path: Path, folder: Path) -> None:
    plan = plan_folder(read_model(folder))
    (written, *_) = write_folder(plan, tmp_path / "out", WriteOptions(dtype="F16"))
    assert written.overflows == {"conv_in.bias": 1}


def test_a_faulty_model_writes_nothing(tmp_path: Path, folder: Path) -> None:
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    model = read_model(folder)
    with pytest.raises(BadInputError, match="the file is empty"):
        plan_folder(model)
    with pytest.raises(BadInputError, match="no readable weights"):
        merge_component(model.components["vae"], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_unet_alone_with_a_fault_of_the_model_is_not_planned(folder: Path) -> None:
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    model = read_model(folder)
    with pytest.raises(BadInputError, match="the file is empty"):
        plan_unet(model, None)
    assert set(plan_unet(replace(model, faults=()), None).parts) == {"unet"}


@pytest.mark.parametrize("place", ["model", "model/out", "."])
def test_the_model_itself_is_never_the_target(tmp_path: Path, folder: Path, place: str) -> None:
    with pytest.raises(BadInputError, match="choose another folder"):
        require_apart(folder, tmp_path / place)
    require_apart(folder, tmp_path / "beside")


def test_an_older_output_stays_when_the_disk_is_too_small(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "out"
    write_json(out / "model_index.json", {"older": True})
    plan = plan_folder(read_model(folder))
    with pytest.raises(NoSpaceError), pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
        write_folder(plan, out)
    assert tree(out) == ["model_index.json"]


def test_what_is_neither_weight_nor_text_stays_behind(tmp_path: Path, folder: Path) -> None:
    (folder / "unet" / "diffusion_flax_model.msgpack").write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / ".git" / "config.json").touch()
    (folder / "LICENSE").write_text("terms")
    write_folder(plan_folder(read_model(folder)), tmp_path / "out")
    found = tree(tmp_path / "out")
    assert "LICENSE" in found
    assert not [name for name in found if "git" in name or "msgpack" in name]
