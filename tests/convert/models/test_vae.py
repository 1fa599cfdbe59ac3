from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.folder_plan import ComponentFiles
from sdcoreml.convert.models.vae import read_vae
from sdcoreml.convert.weights.writer import write_safetensors
from sdcoreml.ground.errors import BadInputError
from tests.convert.models.folders import write_json
from tests.convert.models.originals import VAE_CONFIG, original_vae
from tests.convert.models.test_single_file import VAE, Arrays, save

CONFIG = VAE_CONFIG | {"_class_name": "AutoencoderKL", "scaling_factor": 0.13025}


def arrays_of(part: ComponentFiles, tmp_path: Path) -> Arrays:
    path = tmp_path / "written.safetensors"
    write_safetensors(part.tensors, path)
    found: Arrays = safetensors.numpy.load_file(path)
    return found


def without_prefix() -> Arrays:
    start = len("first_stage_model.")
    return {name[start:]: array for name, array in original_vae(VAE).items()}


@pytest.mark.parametrize(
    "arrays",
    [VAE, without_prefix(), original_vae(VAE)],
    ids=["diffusers", "original", "in a checkpoint"],
)
def test_a_file_in_any_naming_gives_the_same_vae(tmp_path: Path, arrays: Arrays) -> None:
    part = read_vae(save(tmp_path / "vae.safetensors", arrays), Family.SD1, 512)
    assert part.kind == "AutoencoderKL"
    found = arrays_of(part, tmp_path)
    assert found.keys() == VAE.keys()
    for name, array in VAE.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("family", "size", "scaling"), [(Family.SD1, 512, 0.18215), (Family.SDXL, 1024, 0.13025)]
)
def test_the_family_tells_what_the_tensors_do_not(
    tmp_path: Path, family: Family, size: int, scaling: float
) -> None:
    part = read_vae(save(tmp_path / "vae.safetensors", VAE), family, size)
    assert (part.config["sample_size"], part.config["scaling_factor"]) == (size, scaling)
    assert {key: part.config[key] for key in VAE_CONFIG} == VAE_CONFIG


@pytest.mark.parametrize("inside", ["", "vae"])
def test_a_folder_brings_its_own_config(tmp_path: Path, inside: str) -> None:
    folder = tmp_path / "model" / inside
    write_json(folder / "config.json", CONFIG)
    save(folder / "diffusion_pytorch_model.safetensors", VAE)
    part = read_vae(tmp_path / "model", Family.SD1, 512)
    assert part.config["scaling_factor"] == 0.13025
    assert {tensor.name for tensor in part.tensors} == VAE.keys()


def test_a_folder_whose_shards_are_not_all_there_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", CONFIG)
    shard = "diffusion_pytorch_model-00001-of-00002.safetensors"
    save(tmp_path / shard, VAE)
    index = {
        "metadata": {},
        "weight_map": dict.fromkeys(VAE, shard) | {"more": "absent.safetensors"},
    }
    write_json(tmp_path / "diffusion_pytorch_model.safetensors.index.json", index)
    with pytest.raises(BadInputError, match=r"absent\.safetensors"):
        read_vae(tmp_path, Family.SD1, 512)


@pytest.mark.parametrize("inside", ["", "vae", "unet"])
def test_a_folder_without_a_vae_is_refused(tmp_path: Path, inside: str) -> None:
    (tmp_path / inside).mkdir(exist_ok=True)
    with pytest.raises(BadInputError, match="has no VAE; give a file or folder with an Autoenc"):
        read_vae(tmp_path, Family.SD1, 512)


@pytest.mark.parametrize(
    ("config", "claimed"),
    [
        ({"_class_name": "UNet2DConditionModel", "in_channels": 4}, "UNet2DConditionModel"),
        ({"_class_name": "AutoencoderTiny"}, "AutoencoderTiny"),
        ({"architectures": ["CLIPTextModel"]}, "CLIPTextModel"),
    ],
)
def test_a_folder_of_another_part_is_refused(
    tmp_path: Path, config: dict[str, object], claimed: str
) -> None:
    write_json(tmp_path / "config.json", config)
    save(tmp_path / "model.safetensors", VAE)
    with pytest.raises(BadInputError, match=f": is a {claimed}; give one with an AutoencoderKL"):
        read_vae(tmp_path, Family.SD1, 512)


def test_a_config_that_names_no_class_is_taken_at_its_shapes(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", VAE_CONFIG)
    save(tmp_path / "diffusion_pytorch_model.safetensors", VAE)
    assert read_vae(tmp_path, Family.SD1, 512).kind == "AutoencoderKL"


@pytest.mark.parametrize("names", [["unet.conv_in.weight"], ["a"]])
def test_a_file_of_something_else_is_refused(tmp_path: Path, names: list[str]) -> None:
    path = save(tmp_path / "x.safetensors", {name: np.zeros(1, "f4") for name in names})
    with pytest.raises(BadInputError, match="has no VAE; give a file or folder with an Autoenc"):
        read_vae(path, Family.SD1, 512)


def test_a_vae_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    arrays = {name: array for name, array in VAE.items() if name != "decoder.conv_out.bias"}
    with pytest.raises(BadInputError, match=r"vae: tensors missing \(1\): decoder\.conv_out\.bias"):
        read_vae(save(tmp_path / "x.safetensors", arrays), Family.SD1, 512)
