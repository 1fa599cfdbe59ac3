"""Models whose weights are 8-bit floats: in a folder, and in a single file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors.numpy

from sdcoreml.convert.models.layout import read_component
from sdcoreml.convert.models.merge import merge_component
from sdcoreml.convert.models.single_file import take_apart
from sdcoreml.convert.weights.source import open_checkpoint
from tests.convert.models.folders import write_json
from tests.convert.models.test_single_file import original, save


def write_float8(path: Path, name: str) -> None:
    header = f'{{"{name}":{{"dtype":"F8_E4M3","shape":[1,2],"data_offsets":[0,2]}}}}'.encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes([0x38, 0xC0]))


def test_a_folder_s_are_written_as_float16(tmp_path: Path) -> None:
    write_json(tmp_path / "x" / "config.json", {"_class_name": "OtherModel"})
    write_float8(tmp_path / "x" / "diffusion_pytorch_model.safetensors", "w")
    component = read_component("x", tmp_path / "x")
    assert not component.is_merged
    merged = merge_component(component, tmp_path / "merged")
    assert merged.parent == tmp_path / "merged"
    wide = safetensors.numpy.load_file(merged)["w"]
    assert wide.dtype == np.float16
    assert wide.tolist() == [[1.0, -2.0]]


def test_scales_in_a_folder_are_a_fault(tmp_path: Path) -> None:
    write_json(tmp_path / "x" / "config.json", {"_class_name": "OtherModel"})
    write_float8(tmp_path / "x" / "diffusion_pytorch_model.safetensors", "w.scale_weight")
    (fault,) = read_component("x", tmp_path / "x").all_faults
    assert fault.what.startswith("its weights are 8-bit with scales beside them (w.scale_weight)")


def test_a_single_file_s_become_float16_and_scales_are_the_first_fault(tmp_path: Path) -> None:
    arrays = original("sd1")
    name = "model.diffusion_model.input_blocks.0.0.weight"
    arrays[name] = arrays[name].astype("u1")
    path = save(tmp_path / "m.safetensors", arrays)
    content = path.read_bytes()
    assert content.count(b'"dtype":"U8"') == 1
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(b'"dtype":"U8"', b'"dtype":"F8_E4M3"')
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
    found = take_apart(open_checkpoint(path))
    assert found
    assert found.faults == ()
    tensors = {tensor.name: tensor.dtype for tensor in found.parts["unet"].tensors}
    assert tensors["conv_in.weight"] == "F16"
    arrays["model.diffusion_model.scaled_fp8"] = np.zeros(2, "u1")
    scaled = take_apart(open_checkpoint(save(tmp_path / "s.safetensors", arrays)))
    assert scaled
    assert "scales beside them" in scaled.faults[0].what
