from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from sdcoreml.convert.models.layout import read_component
from sdcoreml.doctor.core.subjects import ComponentState, ModelFolder, WeightFile
from sdcoreml.doctor.gather.model import component, model
from tests.convert.models.test_single_file import averages, original
from tests.convert.models.test_single_file import save as save_file
from tests.convert.weights.torch_files import (
    finished,
    integer,
    mapping,
    storage,
    tensor,
    write_zip,
)

TENSORS = save({"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"format": "pt"})
KIND = "UNet2DConditionModel"
UNET = {
    "in_channels": 4,
    "out_channels": 4,
    "attention_head_dim": 8,
    "block_out_channels": [32, 64],
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "sample_size": 64,
}
CONV_IN = save({"conv_in.weight": np.zeros((32, 4, 3, 3), np.float16)}, {"format": "pt"})
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"


def folder(root: Path, **unet: object) -> Path:
    """Write a minimal diffusers folder."""
    parts = {"unet": ["diffusers", "U"], "vae": ["diffusers", "V"], "text_encoder": ["t", "C"]}
    index = {"_class_name": "StableDiffusionPipeline", "safety_checker": [None, None], **parts}
    (root / "model_index.json").write_text(json.dumps(index))
    for name in parts:
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps({**UNET, **unet}))
        tensors = CONV_IN if name == "unet" else TENSORS
        (root / name / "diffusion_pytorch_model.safetensors").write_bytes(tensors)
    (root / "tokenizer").mkdir()
    (root / "tokenizer/vocab.json").write_text('{"<|startoftext|>": 0, "<|endoftext|>": 1}')
    (root / "tokenizer/merges.txt").write_text("#version: 0.2\n")
    (root / "scheduler").mkdir()
    (root / "scheduler/scheduler_config.json").write_text('{"prediction_type": "epsilon"}')
    return root


def examined(path: Path) -> ModelFolder:
    return model(str(path))


def alone(path: Path) -> ComponentState:
    """Gather the facts of a component from its folder alone."""
    return component(read_component(path.name, path))


def file_at(path: Path) -> WeightFile:
    """Gather the facts of a single file; return those of its weights."""
    return examined(path).components[0].weights[0]


def test_a_healthy_folder(tmp_path: Path) -> None:
    facts = examined(folder(tmp_path))
    assert (facts.kind, facts.family, facts.refusal) == ("diffusers", "Stable Diffusion 1.x", "")
    assert facts.prediction == "epsilon"
    assert set(facts.needed) == {"unet", "vae", "text_encoder"}
    assert [part.name for part in facts.components] == ["unet", "vae", "text_encoder"]
    assert facts.size == 2 * len(TENSORS) + len(CONV_IN)
    assert facts.tokenizer_faults == ()
    unet = facts.components[0]
    assert (unet.refusal, unet.mismatch, unet.upcast) == ("", (), False)
    assert (unet.parameters, unet.sample) == (32 * 4 * 3 * 3, 64)
    assert not any(file.fault for part in facts.components for file in part.weights)


@pytest.mark.parametrize(
    ("unet", "refusal"),
    [
        ({"in_channels": 9}, "inpainting"),
        ({"in_channels": 8}, "instruct-pix2pix"),
        ({"addition_embed_type": "image"}, "another family"),
    ],
)
def test_what_no_app_can_run_is_refused(
    tmp_path: Path, unet: dict[str, object], refusal: str
) -> None:
    assert examined(folder(tmp_path, **unet)).refusal.count(refusal) == 1


def test_a_config_is_judged_by_the_builder_itself(tmp_path: Path) -> None:
    unet, vae, _ = examined(folder(tmp_path, class_embed_type="timestep")).components
    assert unet.refusal.startswith(
        "config.json has options that this converter does not implement: c"
    )
    assert "in_channels=4" in vae.refusal  # it has the UNet's config here


@pytest.mark.parametrize(("levels", "step"), [(3, 32), (4, 64)])
def test_the_step_of_sizes_follows_from_the_levels(tmp_path: Path, levels: int, step: int) -> None:
    parts = examined(folder(tmp_path, block_out_channels=[32] * levels)).components
    assert parts[0].step == step
    (tmp_path / "vae/config.json").write_text(json.dumps({"block_out_channels": [32] * 4}))
    assert alone(tmp_path / "vae").step == 0


def test_weights_that_contradict_the_config(tmp_path: Path) -> None:
    root = folder(tmp_path)
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", KIND]}
    (root / "model_index.json").write_text(json.dumps(index))
    (unet, *_) = examined(root).components
    assert len(unet.mismatch) == 1, "its other tensors are not there"
    wide = save({"conv_in.weight": np.zeros((32, 9, 3, 3), np.float16)}, {"format": "pt"})
    (root / "unet/diffusion_pytorch_model.safetensors").write_bytes(wide)
    (unet, *_) = examined(root).components
    assert unet.mismatch[1].endswith("conv_in.weight [32, 9, 3, 3] instead of [32, 4, 3, 3]")


@pytest.mark.parametrize(
    ("names", "holds", "refused"),
    [
        (["model.diffusion_model.x"], ("unet",), "unknown kind of model"),
        (["first_stage_model.encoder.conv_in.weight"], ("vae",), "unknown kind of model"),
        (["cond_stage_model.transformer.x"], ("text_encoder",), "unknown kind of model"),
        (["model_ema.decay"], ("ema",), "unknown kind of model"),
        (["control_model.input_hint_block.0.weight"], ("controlnet",), "a ControlNet"),
        (["emb_params"], (), "unknown kind of model"),
        (["lora_unet_x.lora_down.weight"], ("lora",), "a LoRA"),
        (["unet.down.lora_A.weight"], ("lora",), "a LoRA"),
        (["x.model.diffusion_model."], (), "unknown kind of model"),
    ],
)
def test_what_a_single_file_holds(
    tmp_path: Path, names: list[str], holds: tuple[str, ...], refused: str
) -> None:
    arrays = {name: np.zeros((2, 2, 2), "f4") for name in names}
    found = examined(save_file(tmp_path / "m.safetensors", arrays))
    assert found.holds == holds
    assert refused in found.refusal


def test_an_embedding_is_known_by_its_shape(tmp_path: Path) -> None:
    arrays = {"emb_params": np.zeros((2, 768), "f4")}
    assert examined(save_file(tmp_path / "m.safetensors", arrays)).holds == ("embedding",)


@pytest.mark.parametrize(
    ("family", "names", "sample"),
    [
        ("sd1", ["unet", "vae", "text_encoder"], 64),
        ("sdxl", ["unet", "vae", "text_encoder", "text_encoder_2"], 128),
    ],
)
def test_the_parts_in_a_single_file_are_counted(
    tmp_path: Path, family: str, names: list[str], sample: int
) -> None:
    arrays = original(family)
    plain = examined(save_file(tmp_path / "m.safetensors", arrays))
    whole, *parts = plain.components
    assert (whole.name, whole.parameters, len(whole.weights)) == ("checkpoint", 0, 1)
    assert sorted(plain.needed) == sorted(part.name for part in parts) == sorted(names)
    inside = {part.name: part for part in parts}
    unet = [key for key in arrays if key.startswith("model.diffusion_model.")]
    assert inside["unet"].parameters == sum(arrays[key].size for key in unet)
    assert inside["unet"].sample == sample
    assert inside["unet"].step == 32, "these UNets have three levels"
    both = examined(save_file(tmp_path / "e.safetensors", arrays | averages(arrays)))
    assert both.components[1:] == plain.components[1:], "averages are not converted"


def test_the_only_part_of_a_controlnet_is_what_is_converted(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"_class_name": "ControlNetModel"}')
    facts = examined(tmp_path)
    assert (facts.kind, facts.needed) == ("controlnet", ("controlnet",))


def test_shards_against_their_index(tmp_path: Path) -> None:
    unet = folder(tmp_path) / "unet"
    (unet / "diffusion_pytorch_model.safetensors").rename(unet / "a-00001-of-00002.safetensors")
    table = {"weight": "a-00001-of-00002.safetensors", "bias": "a-00002-of-00002.safetensors"}
    (unet / "a.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    part = alone(unet)
    assert part.index == "a.safetensors.index.json"
    assert part.missing == ("a-00002-of-00002.safetensors",)
    assert [Path(file.path).name for file in part.weights] == ["a-00001-of-00002.safetensors"]


@pytest.mark.parametrize("text", ["{}", "[]", "<html>"])
def test_an_index_that_says_nothing_is_a_fault(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.bin.index.json").write_text(text)
    (tmp_path / "config.json").write_text("{}")
    (fault,) = alone(tmp_path).faults
    assert fault.startswith("x.bin.index.json: ")


def test_missing_part_and_variants_and_names_without_a_dot(tmp_path: Path) -> None:
    root = folder(tmp_path)
    unet = root / "unet"
    (unet / "diffusion_pytorch_model.fp16.safetensors").write_bytes(TENSORS)
    (unet / "LICENSE").touch()
    part = alone(unet)
    assert part.variants == ("", "fp16")
    assert part.parameters == 32 * 4 * 3 * 3, "what is converted, whatever its copies"
    assert part.nameless == ("LICENSE",)
    shutil.rmtree(root / "vae")
    assert examined(root).components[-1] == ComponentState(
        name="vae", folder=str(root / "vae"), faults=("missing",)
    )


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (POINTER, "lfs-pointer"),
        (b"<!DOCTYPE html><html>", "web-page"),
        (b'\n{"error":"login"}', "web-page"),
        (b"", "empty"),
        (b"\x80\x02}q", "other"),
    ],
)
def test_what_is_no_weights_has_its_kind(tmp_path: Path, data: bytes, kind: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    file = file_at(path)
    assert (file.kind, file.size, bool(file.fault)) == (kind, len(data), kind == "other")


def test_settings_that_git_would_obey_are_looked_for_where_there_are_pointers(
    tmp_path: Path,
) -> None:
    root = folder(tmp_path)
    (root / ".git/objects").mkdir(parents=True)
    (root / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (root / ".git/config").write_text("[alias]\n\tlfs = !touch PWN\n")
    assert examined(root).active == ()
    (root / "unet/diffusion_pytorch_model.safetensors").write_bytes(POINTER)
    assert examined(root).active == ("[alias] lfs = !touch PWN",)


def test_what_cannot_be_read_is_said_and_not_waited_for(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "unet/diffusion_pytorch_model.safetensors").unlink()
    os.mkfifo(root / "unet/diffusion_pytorch_model.safetensors")
    (root / "vae/other.bin").symlink_to("gone")
    (root / "text_encoder/other.ckpt").mkdir()
    files = [file for part in examined(root).components for file in part.weights]
    assert {Path(f.path).name: f.fault for f in files if f.kind == "unreadable"} == {
        "diffusion_pytorch_model.safetensors": "a named pipe, not a file",
        "other.bin": "a link to a file that is not there",
        "other.ckpt": "a folder, not a file",
    }


def test_what_was_left_aside_is_noted(tmp_path: Path) -> None:
    on = tensor(storage("0", "float32", 2), [2])
    pickled = finished(mapping({"epoch": integer(3), "state_dict": mapping({"w": on})}))
    path = write_zip(tmp_path / "a.ckpt", {"w": np.zeros(2, "f4")}, pickled=pickled)
    assert "tensors taken from 'state_dict'" in file_at(path).notes


def test_files_that_are_not_converted_are_looked_at_as_well(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "unet/diffusion_pytorch_model.fp16.safetensors").write_bytes(POINTER)
    (root / "unet/diffusion_pytorch_model.bin").write_bytes(TENSORS[:-1])
    kinds = {Path(file.path).name: file.kind for file in examined(root).components[0].weights}
    assert kinds["diffusion_pytorch_model.fp16.safetensors"] == "lfs-pointer"
    assert "diffusion_pytorch_model.bin" in kinds


def test_weights_under_names_that_are_not_looked_for_are_no_weights(tmp_path: Path) -> None:
    root = folder(tmp_path)
    file = root / "vae/diffusion_pytorch_model.safetensors"
    file.with_name("second.safetensors").write_bytes(file.read_bytes())
    file.rename(file.with_name("first.safetensors"))
    vae = next(part for part in examined(root).components if part.name == "vae")
    assert vae.faults == ("vae: no weights in this folder",)


def test_a_fault_of_no_part_is_the_model_s_own_where_the_folder_is_a_model(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "scheduler/scheduler_config.json").write_text("{")
    (fault,) = examined(root).faults
    assert "scheduler_config.json" in fault
    (root / "model_index.json").unlink()
    assert examined(root).faults == ()


def test_a_checkpoint_that_lacks_a_tensor_says_so(tmp_path: Path) -> None:
    arrays = original("sd1")
    del arrays["model.diffusion_model.out.2.bias"]
    (fault,) = examined(save_file(tmp_path / "m.safetensors", arrays)).faults
    assert fault.startswith("unet: tensors missing (1): ")


def test_a_family_without_programs_is_refused_in_a_single_file(tmp_path: Path) -> None:
    arrays = original("sd1")
    name = "model.diffusion_model.input_blocks.0.0.weight"
    arrays[name] = np.zeros((arrays[name].shape[0], 9, 3, 3), arrays[name].dtype)
    found = examined(save_file(tmp_path / "m.safetensors", arrays))
    assert "inpainting" in found.refusal
    assert found.remedy == "convert a text-to-image model"


def test_truncated_weights(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(TENSORS[:-1])
    facts = file_at(path)
    assert (facts.kind, facts.size) == ("safetensors", len(TENSORS) - 1)
    assert facts.fault.startswith("truncated: 1 of ")
    assert facts.remedy == "download the file again"


class Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


def test_a_pickle_that_would_run_something_is_unsafe_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": Exploit()}, protocol=2))
        archive.writestr("archive/version", "3\n")
    path = tmp_path / "x.bin"
    path.write_bytes(buffer.getvalue())
    facts = file_at(path)
    assert (facts.kind, facts.fault) == ("pickle", "")
    assert "system" in facts.unsafe[0]
    assert not (tmp_path / "pwned").exists()


def test_the_folder_of_a_controlnet_needs_no_index(tmp_path: Path) -> None:
    net = tmp_path / "sd-canny"
    net.mkdir()
    (net / "config.json").write_text('{"_class_name": "ControlNetModel"}')
    (net / "diffusion_pytorch_model.safetensors").write_bytes(TENSORS)
    found = examined(net)
    assert (found.kind, found.family) == ("controlnet", "Stable Diffusion 1.x")
    assert [part.name for part in found.components] == ["controlnet"]
    assert found.size == len(TENSORS)


def test_where_the_model_may_be_instead(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    folder(inner)
    (tmp_path / "x.ckpt").touch()
    facts = examined(tmp_path)
    assert facts.kind == "none"
    assert facts.nearby == (str(inner), str(tmp_path / "x.ckpt"))


def test_a_single_file_no_file_and_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(TENSORS)
    assert examined(path).kind == "single-file"
    assert examined(tmp_path / "nowhere").kind == "missing"


def test_what_is_assumed_of_a_file_is_noted_once(tmp_path: Path) -> None:
    found = model(str(save_file(tmp_path / "my-turbo.safetensors", original("sd1"))))
    assumed, settings = found.notes
    assert assumed.startswith("the model does not say what it predicts: epsilon is assumed")
    assert settings.startswith("its name says turbo")
    assert found.components[0].weights[0].notes == ()
