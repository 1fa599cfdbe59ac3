from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.models.folder_plan import (
    ComponentFiles,
    FolderPlan,
    as_json,
    write_folder,
)
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.writer import WriteOptions
from sdcoreml.ground.errors import BadInputError, NoSpaceError
from sdcoreml.ground.events import Event

ARRAYS = {"w": np.arange(6, dtype="f4").reshape(2, 3)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.safetensors"
    safetensors.numpy.save_file(ARRAYS, path, metadata={"format": "pt"})
    return path


@pytest.fixture
def plan(source: Path) -> FolderPlan:
    part = ComponentFiles(
        kind="AutoencoderKL",
        config={"_class_name": "AutoencoderKL"},
        tensors=open_checkpoint(source).tensors,
    )
    files: dict[str, Path | bytes] = {"model_index.json": b"{}", "vae/config.json": b"{}"}
    return FolderPlan(parts={"vae": part}, files=files)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_folder_is_what_the_plan_says(tmp_path: Path, plan: FolderPlan, source: Path) -> None:
    events: list[Event] = []
    (written,) = write_folder(plan, tmp_path / "out", emit=events.append)
    assert tree(tmp_path / "out") == [
        "model_index.json",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    path = tmp_path / "out" / "vae" / "diffusion_pytorch_model.safetensors"
    assert path.read_bytes() == source.read_bytes()
    assert written.nbytes == source.stat().st_size
    assert events[0].text == "write vae"


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path, plan: FolderPlan) -> None:
    for name in ("first", "second"):
        write_folder(plan, tmp_path / name)
    first, second = (
        {path: (tmp_path / name / path).read_bytes() for path in tree(tmp_path / name)}
        for name in ("first", "second")
    )
    assert first == second


def test_another_part_brings_its_config(plan: FolderPlan) -> None:
    part = ComponentFiles(kind="AutoencoderKL", config={"_class_name": "X", "b": 1}, tensors=())
    found = plan.with_component("vae", part)
    assert found.parts["vae"] is part
    content = found.files["vae/config.json"]
    assert isinstance(content, bytes)
    assert json.loads(content) == {"_class_name": "X", "b": 1}
    assert plan.files["vae/config.json"] == b"{}"


def test_a_whole_file_is_not_written_unless_it_must_change(
    tmp_path: Path, plan: FolderPlan, source: Path
) -> None:
    part = ComponentFiles(
        kind="AutoencoderKL",
        config={"_class_name": "AutoencoderKL"},
        tensors=plan.parts["vae"].tensors,
        whole=source,
    )
    whole = plan.with_component("vae", part)
    assert write_folder(whole, tmp_path / "out") == ()
    (written,) = write_folder(whole, tmp_path / "half", WriteOptions(dtype="F16"))
    assert written.nbytes < source.stat().st_size
    path = tmp_path / "out" / "vae" / "diffusion_pytorch_model.safetensors"
    assert path.read_bytes() == source.read_bytes()


def test_text_encoders_get_the_name_that_transformers_looks_for() -> None:
    assert (
        ComponentFiles(kind="CLIPTextModel", config={}, tensors=()).file_name == "model.safetensors"
    )


def test_too_little_room_is_told_before_the_first_byte(tmp_path: Path, source: Path) -> None:
    huge = TensorInfo(name="w", dtype="U8", shape=(1 << 60,), path=source, start=0)
    part = ComponentFiles(kind="", config={}, tensors=(huge,))
    assert part.nbytes(None) == 1 << 60
    with pytest.raises(NoSpaceError, match="nothing was written"):
        write_folder(FolderPlan(parts={"vae": part}, files={}), tmp_path / "out")
    assert tree(tmp_path) == ["in.safetensors"]


def test_a_foreign_folder_is_not_replaced(tmp_path: Path, plan: FolderPlan) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    with pytest.raises(BadInputError, match="choose another name"):
        write_folder(plan, tmp_path / "out")
    assert tree(tmp_path / "out") == ["thesis.txt"]


def test_configs_are_written_as_diffusers_does() -> None:
    assert as_json({"b": [1, 2], "a": None}) == (
        b'{\n  "a": null,\n  "b": [\n    1,\n    2\n  ]\n}\n'
    )
