from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.contract import Dimensions, interfaces
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.doctor.core.facts import Absent
from sdcoreml.doctor.core.subjects import Bundle, Feature, Program
from sdcoreml.doctor.gather.bundle import bundle, program
from tests.convert.stand_ins import model_of, write_stand_in

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
DECODER = model_of(interfaces(SIZE)["vae_decoder"])
METADATA: dict[str, Any] = {
    "specificationVersion": 7,
    "computePrecision": "Mixed (Float16, Float32)",
    "mlProgramOperationTypeHistogram": {"Ios16.conv": 3, "Ios16.einsum": 2},
    "inputSchema": [
        {"name": "sample", "shape": "[2, 4, 64, 64]", "dataType": "Float16"},
        {"name": "timestep", "shape": "[2]", "dataType": "Float16"},
    ],
    "outputSchema": [{"name": "noise_pred", "shape": "[]", "dataType": "Float32"}],
    "userDefinedMetadata": {
        "com.github.apple.coremltools.version": "7.2",
        "com.github.apple.coremltools.source": "torch==2.2.0",
    },
}


def compiled(root: Path, name: str = "Unet", *, metadata: object = None) -> Path:
    folder = root / f"{name}.mlmodelc"
    (folder / "weights").mkdir(parents=True)
    for file in ("coremldata.bin", "model.mil", "weights/weight.bin"):
        (folder / file).write_bytes(b"data")
    content = [METADATA] if metadata is None else metadata
    (folder / "metadata.json").write_text(json.dumps(content))
    return folder


def examined(path: Path) -> Bundle:
    facts = bundle(str(path))
    assert isinstance(facts, Bundle)
    return facts


def test_a_compiled_program_is_read_from_its_metadata(tmp_path: Path) -> None:
    facts = program(compiled(tmp_path))
    assert (facts.name, facts.container) == ("Unet", ".mlmodelc")
    assert facts.inputs == (
        Feature(name="sample", shape=(2, 4, 64, 64), dtype="Float16"),
        Feature(name="timestep", shape=(2,), dtype="Float16"),
    )
    assert facts.outputs == (Feature(name="noise_pred", shape=(), dtype="Float32"),)
    assert (facts.attention, facts.specification, facts.weights) == ("split", 7, 4)
    assert facts.tools == {"coremltools": "7.2", "torch": "2.2.0"}
    assert (facts.missing, facts.pointers, facts.fault) == ((), (), "")
    assert facts.shape("timestep") == (2,)


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        (METADATA, "metadata.json is not an array of one object"),
        ([METADATA, METADATA], "metadata.json is not an array of one object"),
        ([{}], "metadata.json has no mlProgramOperationTypeHistogram"),
        (
            [{**METADATA, "inputSchema": [{"name": "x", "isOptional": 0}]}],
            "inputSchema in metadata.json holds values that are not text",
        ),
    ],
)
def test_metadata_that_mochi_cannot_read(tmp_path: Path, metadata: object, fault: str) -> None:
    assert program(compiled(tmp_path, metadata=metadata)).fault == fault


def test_metadata_that_is_no_json(tmp_path: Path) -> None:
    folder = compiled(tmp_path)
    (folder / "metadata.json").write_text("<html>")
    assert program(folder).fault == "metadata.json is not JSON"


def test_missing_files_and_pointers(tmp_path: Path) -> None:
    folder = compiled(tmp_path)
    (folder / "weights/weight.bin").unlink()
    (folder / "coremldata.bin").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    facts = program(folder)
    assert facts.missing == ("weights/weight.bin",)
    assert facts.pointers == ("coremldata.bin",)
    assert facts.weights == 0


def test_an_empty_package(tmp_path: Path) -> None:
    folder = tmp_path / "Unet.mlpackage"
    folder.mkdir()
    assert program(folder) == Program(
        name="Unet",
        container=".mlpackage",
        missing=(
            "Manifest.json",
            "Data/com.apple.CoreML/model.mlmodel",
            "Data/com.apple.CoreML/weights/weight.bin",
        ),
    )


def test_a_damaged_package_is_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / "Unet.mlpackage"
    (folder / "Data/com.apple.CoreML/weights").mkdir(parents=True)
    (folder / "Manifest.json").write_text("{}")
    (folder / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b"\xff\xff")
    (folder / "Data/com.apple.CoreML/weights/weight.bin").write_bytes(b"")
    assert program(folder).fault


def test_a_folder(tmp_path: Path) -> None:
    compiled(tmp_path)
    compiled(tmp_path, "UnetChunk1")
    (tmp_path / "controlnet").mkdir()
    (tmp_path / "manifest.json").touch()
    facts = examined(tmp_path)
    assert [one.name for one in facts.programs] == ["Unet", "UnetChunk1"]
    assert facts.unet is facts.program("Unet")
    assert not facts.is_xl
    assert facts.manifest
    assert facts.controlnet_folder
    assert facts.vocabulary == ("vocab.json is missing", "merges.txt is missing")


def test_tokenizer_files_are_read_as_the_swift_code_reads_them(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"<|startoftext|>": 0, "<|endoftext|>": 1}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    assert examined(tmp_path).vocabulary == ()
    (tmp_path / "vocab.json").write_text("<html>")
    assert len(examined(tmp_path).vocabulary) == 1


def test_same_weights_have_the_same_digest_and_others_not(tmp_path: Path) -> None:
    one, other = compiled(tmp_path, "Unet"), compiled(tmp_path, "ControlledUnet")
    assert program(one).weights_digest == program(other).weights_digest
    (other / "weights/weight.bin").write_bytes(b"dada")
    assert program(one).weights_digest != program(other).weights_digest


def test_nothing_given() -> None:
    assert isinstance(bundle(""), Absent)


def test_damage_inside_is_what_the_compilers_readers_find(tmp_path: Path) -> None:
    write_stand_in(tmp_path / "VAEDecoder.mlpackage", DECODER)
    compile_package(tmp_path / "VAEDecoder.mlpackage", tmp_path / "VAEDecoder.mlmodelc")
    weights = tmp_path / "VAEDecoder.mlmodelc" / "weights" / "weight.bin"
    weights.parent.mkdir(exist_ok=True)
    weights.write_bytes(bytes([0, 0, 0, 0, 2, 0, 0, 0]) + bytes(56))
    assert examined(tmp_path).damage == ()
    text = tmp_path / "VAEDecoder.mlmodelc" / "model.mil"
    text.write_text(text.read_text().replace("> z", "> zz"))
    (fault,) = examined(tmp_path).damage
    assert fault.startswith("VAEDecoder.mlmodelc: ")


def test_a_package_beside_its_compiled_folder_is_not_what_an_app_loads(tmp_path: Path) -> None:
    compiled(tmp_path)
    for name in ("Unet", "VAEDecoder"):
        (tmp_path / f"{name}.mlpackage").mkdir()
    found = {(one.name, one.container) for one in examined(tmp_path).programs}
    assert found == {("Unet", ".mlmodelc"), ("VAEDecoder", ".mlpackage")}
