from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.bundle.comfyui import interface
from sdcoreml.convert.bundle.facts import ProgramFacts
from sdcoreml.convert.bundle.judgement import judge
from sdcoreml.convert.bundle.ports import Dimensions, interfaces
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.models.folder_plan import write_folder
from sdcoreml.convert.models.unpack import UnpackOptions, unpack
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.doctor.commands.inspect import (
    configure,
    needs_of,
    programs_text,
    run,
)
from sdcoreml.doctor.core.estimate import estimate_memory
from sdcoreml.doctor.core.facts import Goal
from sdcoreml.doctor.gather.bundle import bundle
from sdcoreml.doctor.gather.model import model
from sdcoreml.doctor.gather.toolchain import toolchain
from tests.convert.models.folders import write_json, write_model
from tests.convert.models.test_single_file import averages, original, save
from tests.convert.models.test_unpack import tokenizer
from tests.convert.stand_ins import model_of, write_stand_in
from tests.convert.weights.torch_files import (
    finished,
    integer,
    mapping,
    storage,
    tensor,
    write_members,
    write_zip,
)
from tests.schemas import read_as

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
DECODER = model_of(interfaces(SIZE)["vae_decoder"])


def inspect(path: Path, *flags: str) -> int:
    parser = argparse.ArgumentParser()
    configure(parser)
    return run(parser.parse_args([str(path), *flags]))


def said(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    inspect(path)
    return capsys.readouterr().out.replace(str(path), "PATH")


def unpacked(parent: Path) -> Path:
    """Write a folder with complete configs, which the converter accepts; return its path."""
    path = save(parent / "m.safetensors", original("sd1"))
    options = UnpackOptions(tokenizer=tokenizer(parent / "tokenizer"))
    write_folder(unpack(open_checkpoint(path), options), parent / "model")
    return parent / "model"


def test_a_folder_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        said(unpacked(tmp_path), capsys)
        == """\
PATH: a whole model of Stable Diffusion 1.x; diffusers folder, 3,710,955 parameters, 7 MB
  text_encoder  111,808  F16  224 kB  model.safetensors
  unet          2,199,268  F16  4 MB  diffusion_pytorch_model.safetensors
  vae           1,399,879  F16  3 MB  diffusion_pytorch_model.safetensors
  predicts epsilon
  Apple's Swift package: yes, text and image to image, ControlNet, safety checker
  Mochi Diffusion: yes, text and image to image, ControlNet; no safety checker
  ComfyUI's nodes: yes, text and image to image, ControlNet, consistency models (LCM); \
`sdcoreml convert MODEL --app comfyui` makes its UNet
  converting takes about 15 MB of disk, 1.5 GB of memory
  sdcoreml convert: yes, by its headers; the weights themselves are not read here
"""
    )


def test_a_folder_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_model(tmp_path / "model")
    assert inspect(folder, "--json") == 0
    data = read_as("inspect", capsys.readouterr().out)
    unet = next(part for part in data["parts"] if part["name"] == "unet")
    assert unet == {
        "name": "unet",
        "class": "UNet2DConditionModel",
        "parameters": 41,
        "dtypes": {"F32": 38, "I64": 3},
        "bytes": 176,
        "files": [
            "diffusion_pytorch_model-00001-of-00002.bin",
            "diffusion_pytorch_model-00002-of-00002.bin",
        ],
        "variant": None,
    }
    del data["parts"], data["targets"]
    assert data == {
        "schema": 1,
        "path": str(folder),
        "form": "diffusers folder",
        "kind": "pipeline",
        "family": "sd1",
        "task": "text_to_image",
        "flavour": None,
        "prediction_type": "epsilon",
        "schedule": None,
        "settings": None,
        "has_ema": False,
        "parameters": 123,
        "bytes": 528,
        "missing": [],
        "needs": None,
        "faults": [],
        "notes": [],
        "verdict": {"can": "no", "code": "MOD010", "remedy": "take it from the model's source"},
    }


def test_faults_are_listed_and_decide_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    evil = b"cos\nsystem\nX\x04\x00\x00\x00true\x85R."
    write_members(folder / "text_encoder" / "pytorch_model.bin", {"a/data.pkl": evil})
    assert inspect(folder) == 4
    out = capsys.readouterr().out
    assert "fault: " in out
    assert "pytorch_model.bin: the pickle names 'os.system'" in out
    assert "the file is empty; download the file again" in out


def test_a_damaged_model_runs_nowhere_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_model(tmp_path / "model")
    shard = folder / "unet" / "diffusion_pytorch_model-00002-of-00002.bin"
    shard.write_bytes(shard.read_bytes()[:-100])
    lines = said(folder, capsys).splitlines()
    assert lines[0].endswith("diffusers folder, at least 82 parameters, 352 bytes")
    assert "  unet          its weights cannot be read" in lines
    assert "  Apple's Swift package: no, not until its faults are mended" in lines
    assert not any("converting takes" in line for line in lines)
    assert lines[-1].startswith(f"  fault: PATH/unet/{shard.name}: ")


def test_a_model_that_the_converter_refuses_runs_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = unpacked(tmp_path)
    place = folder / "unet" / "config.json"
    write_json(place, {**json.loads(place.read_text()), "dual_cross_attention": True})
    out = said(folder, capsys)
    for target in ("Apple's Swift package", "Mochi Diffusion", "ComfyUI's nodes"):
        assert f"  {target}: no, the converter refuses it: unet: " in out
    assert "converting takes" not in out
    inspect(folder, "--json")
    data = read_as("inspect", capsys.readouterr().out)
    assert ([target["runs"] for target in data["targets"]], data["needs"]) == (["no"] * 3, None)


def test_a_consistency_model_runs_in_comfyui(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = unpacked(tmp_path)
    place = folder / "unet" / "config.json"
    write_json(place, {**json.loads(place.read_text()), "time_cond_proj_dim": 256})
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    arrays = safetensors.numpy.load_file(weights)
    save(weights, {**arrays, "time_embedding.cond_proj.weight": np.zeros((32, 256), "f2")})
    inspect(folder, "--json")
    targets = read_as("inspect", capsys.readouterr().out)["targets"]
    assert [target["runs"] for target in targets] == ["no", "no", "yes"]
    assert "convert MODEL --app comfyui" in targets[-1]["reason"]


def test_a_checkpoint_with_averages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = original("sd1")
    path = save(tmp_path / "m.safetensors", arrays | averages(arrays))
    out = said(path, capsys)
    assert out.startswith("PATH: a whole model of Stable Diffusion 1.x; safetensors, ")
    assert "\n  averaged weights  " in out
    assert "\n  predicts epsilon\n" in out
    inspect(path, "--json")
    data = read_as("inspect", capsys.readouterr().out)
    assert data["has_ema"] is True


def test_what_is_not_converted_alone_needs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "part.safetensors", {"lora_unet_x.lora_down.weight": np.ones((4, 8))})
    assert "converting takes" not in said(path, capsys)
    inspect(path, "--json")
    assert read_as("inspect", capsys.readouterr().out)["needs"] is None


def test_what_a_conversion_needs_is_what_the_doctor_says(tmp_path: Path) -> None:
    path = save(tmp_path / "m.safetensors", original("sdxl"))
    found, measured = model(str(path)), toolchain("tested")

    needs = needs_of(judge(path))
    assert needs is not None
    assert needs.memory == estimate_memory(found, Goal(), measured)
    assert needs.disk == 2 * path.stat().st_size


def test_sd2_that_does_not_say_what_it_predicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(save(tmp_path / "m.safetensors", original("sd2")), capsys)
    assert "note: does not state its prediction type; give it with --prediction_type" in out


def test_a_checkpoint_without_a_vae(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = {k: a for k, a in original("sd1").items() if not k.startswith("first_stage")}
    assert "\n  missing: vae\n" in said(save(tmp_path / "m.safetensors", arrays), capsys)


def test_an_inpainting_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_model(tmp_path / "model")
    config = {"_class_name": "UNet2DConditionModel", "in_channels": 9}
    write_json(folder / "unet" / "config.json", config)
    out = said(folder, capsys)
    assert out.startswith("PATH: a whole model of Stable Diffusion 1.x for inpainting; ")
    assert "no app provides the extra input channels of inpainting" in out


def test_distilled_models_are_told_by_what_lies_beside_the_tensors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_model(tmp_path / "model")
    assert "note:" not in said(folder, capsys)
    write_json(folder / "scheduler" / "scheduler_config.json", {"timestep_spacing": "trailing"})
    assert "note: its scheduler spaces steps as turbo" in said(folder, capsys)
    path = save(tmp_path / "XL-Lightning.safetensors", original("sdxl"))
    assert "note: its name says lightning: made for few steps" in said(path, capsys)


def test_a_component_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(write_model(tmp_path / "model") / "vae", capsys)
    assert out.startswith("PATH: unknown; component folder, 41 parameters, 176 bytes\n  vae  41")


def test_an_embedding_of_a_trainer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inner = mapping({"*": tensor(storage("0", "float32", 1536), [2, 768])})
    pickled = finished(mapping({"string_to_param": inner, "step": integer(3)}))
    path = write_zip(tmp_path / "m.pt", {"*": np.zeros(1536, "f4")}, pickled=pickled)
    assert said(path, capsys).startswith("PATH: a textual inversion of Stable Diffusion 1.x; ")


def test_nothing_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nothing"
    assert inspect(path) == 3
    assert capsys.readouterr().out.replace(str(path), "PATH") == (
        "PATH: unknown; not there\n"
        "  sdcoreml convert: no (MOD001), no such file or folder; give the folder of a diffusers"
        " model\n"
        "  fault: PATH: no such file or folder; give the folder of a diffusers model\n"
    )


def test_a_finished_folder_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_stand_in(tmp_path / "VAEDecoder.mlpackage", DECODER)
    assert inspect(tmp_path) == 0
    assert capsys.readouterr().out.replace(str(tmp_path), "PATH") == (
        "PATH: 1 Core ML program\n"
        "  VAEDecoder.mlpackage  specification 7, 1 operations, 64 bytes of weights\n"
        "    in   z [1, 4, 16, 16] float16\n"
        "    out  image [1, 3, 128, 128] float32\n"
        "  sdcoreml convert: no (MOD001), this is a Core ML model already; give the model that it"
        " was made from\n"
    )


def test_halves_are_said_to_be_one_program() -> None:
    def lines(*names: str) -> list[str]:
        programs = tuple(ProgramFacts(path=Path(f"cat/{name}.mlmodelc")) for name in names)
        return [
            line for line in programs_text(Path("cat"), programs) if "specification" not in line
        ]

    assert lines("UnetChunk1", "UnetChunk2", "VAEDecoder") == [
        "cat: 3 Core ML programs",
        "  UnetChunk1 and UnetChunk2 are one program",
    ]
    assert lines("ControlledUnetChunk2", "Unet")[1:] == [
        "  ControlledUnetChunk2 is half of a program, and the other half is not here"
    ]


def test_a_compiled_program_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_stand_in(tmp_path / "VAEDecoder.mlpackage", DECODER)
    compile_package(tmp_path / "VAEDecoder.mlpackage", tmp_path / "VAEDecoder.mlmodelc")
    assert inspect(tmp_path, "--json") == 0
    data = read_as("inspect", capsys.readouterr().out)
    (program,) = data["programs"]
    assert (program["name"], program["container"]) == ("VAEDecoder", ".mlmodelc")
    assert program["inputs"] == [{"name": "z", "shape": [1, 4, 16, 16], "dtype": "float16"}]
    assert program["attention"] == "original"
    assert program["faults"] == []


def test_a_damaged_program_has_its_fault_and_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stand_in(tmp_path / "VAEDecoder.mlpackage", DECODER)
    compile_package(tmp_path / "VAEDecoder.mlpackage", tmp_path / "VAEDecoder.mlmodelc")
    (tmp_path / "VAEDecoder.mlmodelc" / "model.mil").write_text("program(1.0)")
    assert inspect(tmp_path / "VAEDecoder.mlmodelc") == 3
    assert "fault: " in capsys.readouterr().out
    assert inspect(tmp_path / "VAEDecoder.mlmodelc", "--json") == 3
    (program,) = read_as("inspect", capsys.readouterr().out)["programs"]
    assert program["faults"] == [
        {
            "path": f"{tmp_path}/VAEDecoder.mlmodelc/model.mil",
            "what": "line 1: expected '{', found ''",
            "next": "compile the package again",
            "exit_code": 3,
        }
    ]


def test_a_unet_for_comfyui_says_which_node_lists_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = {"sample": (1, 4, 16, 16), "timestep": (1,), "encoder_hidden_states": (1, 77, 768)}
    write_stand_in(tmp_path / "m_1x128x128_se_unet.mlpackage", model_of(interface(shapes)))
    assert said(tmp_path / "m_1x128x128_se_unet.mlpackage", capsys).splitlines()[-2] == (
        "    a UNet of Stable Diffusion 1.x for ComfyUI, 128x128, batch 1; the node Load Core ML"
        " UNet lists it from ComfyUI's models/unet"
    )
    assert bundle(str(tmp_path)).vocabulary == ()
