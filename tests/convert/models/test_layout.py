from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.layout import read_model
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.ground.errors import BadInputError, UnsafePickleError
from tests.convert.models.folders import INDEX, UNET, save_safetensors, write_json, write_model
from tests.convert.models.originals import VAE_CONFIG
from tests.convert.weights.torch_files import write_members
from tests.odd import base


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


def said(folder: Path) -> list[str]:
    return [str(fault).replace(f"{folder}", "MODEL") for fault in read_model(folder).faults]


def test_a_sound_folder_is_described(folder: Path) -> None:
    model = read_model(folder)
    assert (model.pipeline, model.faults, model.notes) == ("StableDiffusionPipeline", (), ())
    assert (model.family, model.task) == (Family.SD1, Task.TEXT_TO_IMAGE)
    assert list(model.components) == ["text_encoder", "unet", "vae"]
    assert model.tokenizers == {"tokenizer": folder / "tokenizer"}
    assert model.scheduler == {"prediction_type": "epsilon"}
    unet, vae = model.components["unet"], model.components["vae"]
    assert unet.kind == "UNet2DConditionModel"
    assert unet.config == UNET
    assert unet.index == folder / "unet" / "diffusion_pytorch_model.bin.index.json"
    assert [path.name[-22:] for path in unet.weights] == [
        "del-00001-of-00002.bin",
        "del-00002-of-00002.bin",
    ]
    assert (unet.is_merged, vae.is_merged) == (False, True)
    assert not model.components["text_encoder"].is_merged


def test_every_fault_is_collected(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model-00002-of-00002.bin").unlink()
    vae = folder / "vae" / "diffusion_pytorch_model.safetensors"
    vae.write_bytes(vae.read_bytes()[:-1])
    (folder / "text_encoder" / "pytorch_model.bin").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4922\n"
    )
    (folder / "scheduler" / "scheduler_config.json").write_text("{")
    total = vae.stat().st_size + 1
    assert said(folder) == [
        (
            "MODEL/text_encoder/pytorch_model.bin: a git-lfs pointer, not the weights (the real "
            "file has 4,922 bytes); run 'git lfs pull' in its folder"
        ),
        (
            "MODEL/unet/diffusion_pytorch_model.bin.index.json: 1 of 2 shards missing: "
            "diffusion_pytorch_model-00002-of-00002.bin; download the missing files into the same "
            "folder"
        ),
        (
            "MODEL/vae/diffusion_pytorch_model.safetensors: truncated: "
            f"1 of {total} bytes are missing; download the file again"
        ),
        (
            "MODEL/scheduler/scheduler_config.json: not valid JSON (Expecting property name "
            "enclosed in double quotes: line 1 column 2 (char 1)); download the model again, with "
            "all its files"
        ),
    ]


def test_every_faulty_shard_is_told(folder: Path) -> None:
    for number, content in ((1, b""), (2, b"<html>")):
        shard = folder / "unet" / f"diffusion_pytorch_model-0000{number}-of-00002.bin"
        shard.write_bytes(content)
    assert [line.split("unet/")[1].split("; ")[0] for line in said(folder)] == [
        "diffusion_pytorch_model-00001-of-00002.bin: the file is empty",
        "diffusion_pytorch_model-00002-of-00002.bin: a web page, not weights",
    ]


def test_an_unsafe_pickle_keeps_its_kind(folder: Path) -> None:
    evil = b"cos\nsystem\nX\x04\x00\x00\x00true\x85R."
    write_members(folder / "text_encoder" / "pytorch_model.bin", {"a/data.pkl": evil})
    (fault,) = read_model(folder).faults
    assert fault.error is UnsafePickleError
    assert fault.what == "the pickle names 'os.system', which can run code (nothing was run)"


def test_missing_parts_are_told(folder: Path) -> None:
    for path in sorted((folder / "vae").iterdir()):
        path.unlink()
    (folder / "vae").rmdir()
    (folder / "unet" / "config.json").unlink()
    (folder / "text_encoder" / "pytorch_model.bin").unlink()
    assert [fault.split("; ")[0] for fault in said(folder)] == [
        "MODEL/text_encoder: no weights in this folder",
        "MODEL/unet: config.json is missing",
        "MODEL: the folder vae/ is missing, although model_index.json lists it",
    ]


def test_parts_that_no_program_is_made_of_may_be_missing(tmp_path: Path) -> None:
    listed = {"feature_extractor": ["t", "CLIPImageProcessor"], "safety_checker": ["s", "Checker"]}
    model = read_model(write_model(tmp_path / "model", index={**INDEX, **listed}))
    assert (model.faults, dict(model.absent)) == ((), {})
    assert model.notes == tuple(
        f"model_index.json lists {name}/, which is missing and not needed" for name in listed
    )


def test_a_controlnet_in_a_pipeline_is_left_aside_and_told(tmp_path: Path) -> None:
    model = base.write_folder(tmp_path / "model")
    base.edit(model / "model_index.json", controlnet=["diffusers", "ControlNetModel"])
    base.write(model / "controlnet" / "config.json", {"_class_name": "ControlNetModel"})
    found = read_model(model)
    assert set(found.components) == {"unet", "vae", "text_encoder"}
    assert found.faults == ()
    (note,) = found.notes
    assert note.startswith("controlnet/ is a ControlNet beside the model")


def test_a_schedulers_config_may_be_named_as_any_other(tmp_path: Path) -> None:
    model = base.write_folder(tmp_path / "model")
    place = model / "scheduler" / "scheduler_config.json"
    place.rename(place.with_name("config.json"))
    assert read_model(model).scheduler["_class_name"] == "PNDMScheduler"


def test_shards_without_their_index_are_told(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.bin.index.json").unlink()
    (fault,) = read_model(folder).faults
    assert fault.what == "2 shard(s) without their index file"
    assert read_model(folder).components["unet"].checkpoint is None


def test_what_is_no_model_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert said(tmp_path)[0].startswith("MODEL: no model_index.json in this folder, so it is not")
    assert said(tmp_path / "nothing") == [
        "MODEL: no such file or folder; give the folder of a diffusers model"
    ]
    assert said(tmp_path / "file")[0].startswith("MODEL: a file, not a model folder")


def test_the_model_above_a_component_is_named(folder: Path) -> None:
    assert read_model(folder / "unet").faults[0].remedy == (
        f"give the model that it lies in: {folder.resolve()}"
    )


def test_an_index_that_points_outside_is_not_followed(tmp_path: Path) -> None:
    save_safetensors(tmp_path / "model.safetensors")
    write_json(tmp_path / "config.json", {})
    folder = write_model(tmp_path / "model", index={**INDEX, "..": ["diffusers", "AutoencoderKL"]})
    assert ".." not in read_model(folder).components


def test_an_index_of_another_shape_is_told(folder: Path) -> None:
    write_json(folder / "model_index.json", ["unet"])
    (fault,) = read_model(folder).faults
    assert (fault.what, fault.error) == ("JSON, but not an object", BadInputError)


def test_variants_are_taken_when_they_are_all_there_is(folder: Path) -> None:
    vae = folder / "vae"
    (vae / "diffusion_pytorch_model.safetensors").rename(
        vae / "diffusion_pytorch_model.fp16.safetensors"
    )
    model = read_model(folder)
    assert model.components["vae"].variant == "fp16"
    assert model.faults == ()
    assert model.notes == (
        (
            "components of different variants (text_encoder: plain, unet: plain, vae: fp16); "
            "each is used in its own variant"
        ),
    )


@pytest.mark.parametrize(
    ("unet", "family", "task"),
    [
        ({"addition_embed_type": "text_time"}, Family.SDXL, Task.TEXT_TO_IMAGE),
        ({"in_channels": 9}, Family.SD1, Task.INPAINTING),
    ],
)
def test_what_is_not_yet_supported_is_recognised(
    folder: Path, unet: dict[str, object], family: Family, task: Task
) -> None:
    write_json(folder / "unet" / "config.json", UNET | unet)
    model = read_model(folder)
    assert (model.family, model.task, model.faults) == (family, task, ())


def test_a_pickle_is_only_a_pickle_by_its_bytes(folder: Path) -> None:
    (folder / "text_encoder" / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    (fault,) = read_model(folder).faults
    assert fault.what == "a bare pickle, not a PyTorch checkpoint"


@pytest.fixture
def whole(folder: Path) -> Path:
    """Write a folder with a VAE that has all tensors of its class; return the folder."""
    shapes = parameters("AutoencoderKL", VAE_CONFIG)
    assert shapes
    write_json(folder / "vae" / "config.json", {"_class_name": "AutoencoderKL", **VAE_CONFIG})
    arrays = {name: np.zeros(shape, "f2") for name, shape in shapes.items()}
    save_safetensors(folder / "vae" / "diffusion_pytorch_model.safetensors", arrays)
    return folder


def rewrite_vae(folder: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    arrays = safetensors.numpy.load_file(path)
    change(arrays)
    save_safetensors(path, arrays)


def test_a_component_with_every_tensor_has_no_faults(whole: Path) -> None:
    assert read_model(whole).faults == ()


def test_missing_and_misshapen_tensors_are_all_told(whole: Path) -> None:
    def change(arrays: dict[str, np.ndarray]) -> None:
        for name in ("decoder.conv_in.bias", "decoder.conv_out.bias", "decoder.conv_out.weight"):
            del arrays[name]
        arrays["quant_conv.bias"] = np.zeros(3, "f2")

    rewrite_vae(whole, change)
    count = len(parameters("AutoencoderKL", VAE_CONFIG) or {})
    assert [fault.what for fault in read_model(whole).faults] == [
        (
            f"3 of {count} tensors missing: decoder.conv_in.bias, decoder.conv_out.weight,"
            " decoder.conv_out.bias"
        ),
        (
            f"1 of {count} tensors of another shape than config.json says: quant_conv.bias [3]"
            " instead of [8]"
        ),
    ]


def test_the_old_names_of_a_vae_become_todays(whole: Path) -> None:
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def change(arrays: dict[str, np.ndarray]) -> None:
        for name in list(arrays):
            for new, before in old.items():
                if f".attentions.0.{new}." in name:
                    arrays[name.replace(f".{new}.", f".{before}.")] = arrays.pop(name)

    rewrite_vae(whole, change)
    model = read_model(whole)
    vae = model.components["vae"]
    assert (model.faults, vae.is_merged) == ((), False)
    assert vae.checkpoint
    assert {t.name for t in vae.checkpoint.tensors} == set(
        parameters("AutoencoderKL", VAE_CONFIG) or ()
    )
