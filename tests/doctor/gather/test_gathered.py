"""All that is gathered of models, folders and libraries of many kinds, as `tests/golden/` has it.

What a field means, the tests of each module say; here, none is forgotten.
"""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sdcoreml.convert.bundle.comfyui import interface
from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.doctor.gather.bundle import bundle, described_bundle
from sdcoreml.doctor.gather.library import read_shelf
from sdcoreml.doctor.gather.model import model
from tests.convert.models.test_single_file import averages, original, save
from tests.convert.stand_ins import (
    StandIn,
    finish,
    job_of,
    model_of,
    write_controlnet,
    write_model,
    write_stand_in,
)
from tests.doctor.gather.test_bundle import compiled
from tests.doctor.gather.test_model import CONV_IN, POINTER, TENSORS, folder
from tests.doctor.told import lines_of
from tests.golden import assert_golden

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


def arrays_of(*names: str) -> dict[str, npt.NDArray[np.float32]]:
    return {name: np.zeros((2, 2, 2), "f4") for name in names}


def whole(place: Path) -> Path:
    return folder(place)


def upcast(place: Path) -> Path:
    return folder(place, upcast_attention=True, sample_size=[64, 64])


def other_sides(place: Path) -> Path:
    return folder(place, sample_size=[64, 96], block_out_channels=[32])


def shards(place: Path) -> Path:
    """A shard is missing, a copy in half precision and a file without a name lie beside it."""
    unet = folder(place) / "unet"
    first = "a-00001-of-00002.safetensors"
    (unet / "diffusion_pytorch_model.safetensors").rename(unet / first)
    table = {"weight": first, "bias": "a-00002-of-00002.safetensors"}
    (unet / "a.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    (unet / "b.fp16.safetensors").write_bytes(TENSORS)
    (unet / "LICENSE").touch()
    return place


def without_weights(place: Path) -> Path:
    (folder(place) / "vae/diffusion_pytorch_model.safetensors").unlink()
    return place


def without_parts(place: Path) -> Path:
    shutil.rmtree(folder(place) / "vae")
    shutil.rmtree(place / "tokenizer")
    shutil.rmtree(place / "scheduler")
    (place / "safety_checker").mkdir()
    (place / "safety_checker/config.json").write_text("{}")
    return place


def damaged(place: Path) -> Path:
    folder(place)
    (place / "unet/config.json").write_text("{")
    (place / "vae/diffusion_pytorch_model.safetensors").write_bytes(POINTER)
    (place / "text_encoder/diffusion_pytorch_model.safetensors").write_bytes(TENSORS[:-1])
    (place / "tokenizer/merges.txt").write_bytes(b"\xff")
    return place


def unindexed(place: Path) -> Path:
    (folder(place) / "model_index.json").unlink()
    (place / "x.ckpt").write_bytes(b"")
    (place / "inner").mkdir()
    folder(place / "inner")
    return place


def net(place: Path) -> Path:
    (place / "config.json").write_text('{"_class_name": "ControlNetModel"}')
    (place / "diffusion_pytorch_model.safetensors").write_bytes(CONV_IN)
    return place


def file_of(name: str) -> Callable[[Path], Path]:
    def write(place: Path) -> Path:
        made = original(name)
        return save(place / f"{name}.safetensors", {**made, **averages(made)})

    return write


def parts_of(*names: str) -> Callable[[Path], Path]:
    return lambda place: save(place / "m.safetensors", arrays_of(*names))


def bytes_of(name: str, data: bytes) -> Callable[[Path], Path]:
    def write(place: Path) -> Path:
        (place / name).write_bytes(data)
        return place / name

    return write


MODELS: Mapping[str, Callable[[Path], Path]] = {
    "whole": whole,
    "upcast": upcast,
    "sides that differ": other_sides,
    "shards": shards,
    "without weights": without_weights,
    "without parts": without_parts,
    "damaged": damaged,
    "without an index": unindexed,
    "controlnet": net,
    "sd1 file": file_of("sd1"),
    "sd2 file": file_of("sd2"),
    "sdxl file": file_of("sdxl"),
    "refiner file": file_of("refiner"),
    "second text encoder": parts_of("conditioner.embedders.1.model.x"),
    "lora": parts_of("lora_unet_x.lora_down.weight"),
    "pointer": bytes_of("m.safetensors", POINTER),
    "pickle": bytes_of("m.ckpt", b"PK\3\4"),
    "other": bytes_of("m.ckpt", b"\x80\x02}q"),
    "nothing": lambda place: place / "gone",
}


def told(found: object, place: Path) -> Iterator[str]:
    yield from (line.replace(str(place), "PLACE") for line in lines_of(found))


def test_all_that_is_gathered_of_models(tmp_path: Path) -> None:
    lines: list[str] = []
    for name, write in MODELS.items():
        (place := tmp_path / name).mkdir()
        lines += [name, *told(model(str(write(place))), place)]
    assert_golden("gathered-models", "\n".join(lines))


def write_shelf(place: Path) -> Path:
    """Write a library with an entry of each kind."""
    shelf = place / "models"
    made = finish(
        job_of(open_model(write_model(place / "cat")), shelf / "cat_128x128"), StandIn(size=SIZE)
    )
    unneeded = shutil.ignore_patterns("*.mlpackage", "manifest.json", "*.html")
    for name in ("bare", "same", "deep/one/two/three", "too/deep/one/two/three"):
        shutil.copytree(made, shelf / name, ignore=unneeded)
    for name in ("bare", "same"):
        (shelf / name / "Unet.mlmodelc/weights/weight.bin").write_bytes(b"x" * (1 << 20))
    (shelf / "same/VAEDecoder.mlmodelc/weights/weight.bin").write_bytes(b"y" * ((1 << 20) - 1))
    finish(
        job_of(open_model(write_controlnet(place / "canny")), shelf / "Canny"), StandIn(size=SIZE)
    )
    shapes = {"sample": (1, 4, 16, 16), "timestep": (1,), "encoder_hidden_states": (1, 77, 8)}
    write_stand_in(shelf / "comfy/cat_se_unet.mlpackage", model_of(interface(shapes)))
    shutil.copytree(made, shelf / "damaged")
    (shelf / "damaged/manifest.json").write_text("{}")
    write_model(shelf / "unconverted")
    (shelf / "empty").mkdir()
    (shelf / "strange").mkdir()
    (shelf / "strange/file").touch()
    (shelf / "again").symlink_to("bare")
    (shelf / "loop").symlink_to("loop")
    (shelf / ".hidden").mkdir()
    (shelf / "notes.txt").touch()
    (shelf / "packed.ZIP").write_bytes(b"PK")
    save(shelf / "style.safetensors", arrays_of("lora_unet_x.lora_down.weight"))
    return shelf


def weigh(path: Path) -> int:
    """Return the bytes of all files in a folder; those of our pages change with their texts."""
    try:
        files = [one.lstat() for one in (path.rglob("*") if path.is_dir() else [path])]
    except OSError:
        return 0
    sizes = {one.st_ino: one.st_size for one in files if stat.S_ISREG(one.st_mode)}
    return sum(sizes.values())


def test_all_that_is_gathered_of_a_library(tmp_path: Path) -> None:
    shelf = write_shelf(tmp_path)
    found = read_shelf(shelf)
    lines: list[str] = []
    for entry in found.entries:
        assert entry.nbytes == weigh(Path(entry.path)), entry.name
        lines += [entry.name, *told(replace(entry, nbytes=0), tmp_path)]
    inodes = dict.fromkeys(one.inode for one in found.weights)
    numbers = {inode: number for number, inode in enumerate(inodes)}
    for one in found.weights:
        same = f"file {numbers[one.inode]}, digest {one.digest[:8]}"
        path = Path(one.path).relative_to(shelf)
        lines.append(f"{one.entry}/{one.program}: {path}, {one.size} bytes, {same}")
    assert_golden("gathered-library", "\n".join(lines))


def test_all_that_is_gathered_of_finished_folders(tmp_path: Path) -> None:
    shelf = write_shelf(tmp_path)
    compiled(tmp_path / "models/bare", "ControlledUnet")
    (shelf / "bare/controlnet").mkdir()
    (shelf / "same/vocab.json").unlink()
    (shelf / "same/Unet.mlmodelc/coremldata.bin").unlink()
    (shelf / "same/VAEDecoder.mlmodelc/metadata.json").write_text("[]")
    (shelf / "cat_128x128/merges.txt").write_text("x y z\n")
    lines: list[str] = []
    for name in ("cat_128x128", "bare", "same", "Canny", "comfy"):
        read = {"read": bundle, "described": described_bundle}
        for how, gather in read.items():
            lines += [f"{name}, {how}", *told(gather(str(shelf / name)), tmp_path)]
    assert_golden("gathered-folders", "\n".join(lines))


def test_of_an_entry_with_very_many_files_only_so_many_are_weighed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        (tmp_path / "models/cat" / name).mkdir(parents=True)
        (tmp_path / "models/cat" / name / "file").write_bytes(b"x" * 10)
    (entry,) = read_shelf(tmp_path / "models").entries
    assert entry.nbytes == 40
    monkeypatch.setattr("sdcoreml.doctor.gather.library.MOST_FILES", 1)
    (entry,) = read_shelf(tmp_path / "models").entries
    assert entry.nbytes == 20
