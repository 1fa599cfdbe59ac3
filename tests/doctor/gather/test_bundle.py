from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions, interfaces
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.spec.model import Metadata, Model
from sdcoreml.doctor.core.subjects import Bundle, PortState, ProgramState
from sdcoreml.doctor.gather.bundle import bundle, described_bundle
from tests.convert.stand_ins import model_of, write_stand_in

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
UNET, DECODER = (model_of(interfaces(SIZE)[name]) for name in ("unet", "vae_decoder"))
MADE_BY = {
    "com.github.apple.coremltools.version": "7.2",
    "com.github.apple.coremltools.source": "torch==2.2.0",
}
BLOBS = bytes([0, 0, 0, 0, 2, 0, 0, 0]) + bytes(56)
"""A weight file that has a header but no records."""


def compiled(root: Path, name: str = "Unet", model: Model = UNET) -> Path:
    """Write a compiled model; return its folder."""
    package, folder = root / f"{name}.mlpackage", root / f"{name}.mlmodelc"
    write_stand_in(package, model)
    compile_package(package, folder)
    shutil.rmtree(package)
    (folder / "weights").mkdir(exist_ok=True)
    (folder / "weights/weight.bin").write_bytes(BLOBS)
    return folder


def program(path: Path) -> ProgramState:
    """Gather facts of the folder that contains `path`; return those of its only program."""
    (found,) = examined(path.parent).programs
    return found


def examined(path: Path) -> Bundle:
    return bundle(str(path))


def test_a_compiled_program_is_read_once_and_whole(tmp_path: Path) -> None:
    metadata = Metadata(user_defined=MADE_BY)
    made = replace(UNET, description=replace(UNET.description, metadata=metadata))
    facts = program(compiled(tmp_path, model=made))
    assert (facts.name, facts.container) == ("Unet", ".mlmodelc")
    assert facts.inputs == (
        PortState(name="sample", shape=(2, 4, 16, 16), dtype="float16"),
        PortState(name="timestep", shape=(2,), dtype="float16"),
        PortState(name="encoder_hidden_states", shape=(2, 8, 1, 77), dtype="float16"),
    )
    assert facts.outputs == (PortState(name="noise_pred", shape=(2, 4, 16, 16), dtype="float32"),)
    assert (facts.attention, facts.specification, facts.weights) == ("original", 7, len(BLOBS))
    assert facts.tools == {"coremltools": "7.2", "torch": "2.2.0"}
    assert (facts.missing, facts.pointers, facts.fault) == ((), (), "")
    assert facts.shape("timestep") == (2,)


def change(folder: Path, **fields: Any) -> None:
    """Set values in metadata.json of a compiled model; `None` removes one."""
    path = folder / "metadata.json"
    (content,) = json.loads(path.read_text())
    content = {key: value for key, value in (content | fields).items() if value is not None}
    path.write_text(json.dumps([content]))


def test_what_it_computes_in_is_what_its_metadata_says(tmp_path: Path) -> None:
    folder = compiled(tmp_path)
    change(folder, computePrecision="Mixed (Float16, Float32)")
    assert program(folder).precision == "Mixed (Float16, Float32)"


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"mlProgramOperationTypeHistogram": None}, "no histogram of operations"),
        ({"inputSchema": [{"name": "x", "isOptional": 0}]}, "a schema has values other than"),
        ({"outputSchema": None}, "not an array of exactly one object"),
    ],
)
def test_metadata_that_mochi_cannot_read(
    tmp_path: Path, fields: Mapping[str, Any], fault: str
) -> None:
    folder = compiled(tmp_path)
    change(folder, **fields)
    assert program(folder).fault.startswith(f"metadata.json: {fault}")
    assert examined(tmp_path).damage == (), "said once"


@pytest.mark.parametrize("text", ["<html>", "[{}, {}]", "{}"])
def test_metadata_that_is_no_array_of_one_object(tmp_path: Path, text: str) -> None:
    folder = compiled(tmp_path)
    (folder / "metadata.json").write_text(text)
    assert program(folder).fault.startswith("metadata.json: ")


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
    assert program(folder) == ProgramState(
        name="Unet",
        container=".mlpackage",
        missing=(
            "Manifest.json",
            "Data/com.apple.CoreML/model.mlmodel",
            "Data/com.apple.CoreML/weights/weight.bin",
        ),
    )


def test_a_damaged_package_is_damage(tmp_path: Path) -> None:
    folder = tmp_path / "Unet.mlpackage"
    (folder / "Data/com.apple.CoreML/weights").mkdir(parents=True)
    (folder / "Manifest.json").write_text("{}")
    (folder / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b"\xff\xff")
    (folder / "Data/com.apple.CoreML/weights/weight.bin").write_bytes(b"")
    (damage,) = examined(tmp_path).damage
    assert damage.startswith("Unet.mlpackage: ")
    assert program(folder).attention == "", "nobody knows"


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


def test_the_link_that_mochi_makes_is_not_in_the_way(tmp_path: Path) -> None:
    bundle_folder, nets = tmp_path / "cat", tmp_path / "controlnet"
    compiled(bundle_folder)
    nets.mkdir()
    (bundle_folder / "controlnet").symlink_to(nets)
    assert not examined(bundle_folder).controlnet_folder


def test_tokenizer_files_are_read_as_the_swift_code_reads_them(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"<|startoftext|>": 0, "<|endoftext|>": 1}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    assert examined(tmp_path).vocabulary == ()
    (tmp_path / "vocab.json").write_text("<html>")
    assert len(examined(tmp_path).vocabulary) == 1


def test_same_weights_have_the_same_digest_and_others_not(tmp_path: Path) -> None:
    compiled(tmp_path, "Unet")
    other = compiled(tmp_path, "ControlledUnet")
    first, second = (one.weights_digest for one in examined(tmp_path).programs)
    assert first == second
    (other / "weights/weight.bin").write_bytes(bytes([1, *BLOBS[1:]]))
    first, second = (one.weights_digest for one in examined(tmp_path).programs)
    assert first != second


def test_damage_inside_is_what_the_compilers_readers_find(tmp_path: Path) -> None:
    text = compiled(tmp_path, "VAEDecoder", DECODER) / "model.mil"
    assert examined(tmp_path).damage == ()
    text.write_text(text.read_text().replace("> z", "> zz"))
    (fault,) = examined(tmp_path).damage
    assert fault.startswith("VAEDecoder.mlmodelc: ")


def test_a_package_beside_its_compiled_folder_is_not_what_an_app_loads(tmp_path: Path) -> None:
    compiled(tmp_path)
    for name in ("Unet", "VAEDecoder"):
        (tmp_path / f"{name}.mlpackage").mkdir()
    found = {(one.name, one.container) for one in examined(tmp_path).programs}
    assert found == {("Unet", ".mlmodelc"), ("VAEDecoder", ".mlpackage")}


def test_by_their_descriptions_programs_are_what_they_are_when_read_whole(tmp_path: Path) -> None:
    metadata = Metadata(user_defined=MADE_BY)
    compiled(
        tmp_path, model=replace(UNET, description=replace(UNET.description, metadata=metadata))
    )
    compiled(tmp_path, "VAEDecoder", DECODER)
    whole, described = examined(tmp_path), described_bundle(str(tmp_path))
    unread: dict[str, Any] = {"weights_digest": "", "outputs": ()}
    assert [replace(one, **unread) for one in described.programs] == [
        replace(one, **unread) for one in whole.programs
    ]
    assert described.program("Unet").tools == {"coremltools": "7.2", "torch": "2.2.0"}  # type: ignore[union-attr]
    assert replace(described, programs=()) == replace(whole, programs=())


def test_descriptions_are_read_though_the_program_is_gone(tmp_path: Path) -> None:
    folder = compiled(tmp_path)
    (folder / "model.mil").unlink()
    (facts,) = described_bundle(str(tmp_path)).programs
    assert (facts.missing, facts.shape("timestep"), facts.attention) == (
        ("model.mil",),
        (2,),
        "original",
    )


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '[{"inputSchema": 3, "userDefinedMetadata": 4}]']
)
def test_a_description_that_is_none(tmp_path: Path, content: str) -> None:
    folder = compiled(tmp_path)
    (folder / "metadata.json").write_text(content)
    (facts,) = described_bundle(str(tmp_path)).programs
    assert facts.fault.startswith("metadata.json: ")
    assert (facts.inputs, facts.attention) == ((), "")


def test_weights_are_only_compared_where_two_should_be_equal(tmp_path: Path) -> None:
    compiled(tmp_path)
    assert [one.weights_digest for one in described_bundle(str(tmp_path)).programs] == [""]
    compiled(tmp_path, "ControlledUnet")
    first, second = described_bundle(str(tmp_path)).programs
    assert first.weights_digest == second.weights_digest != ""


def test_an_encoder_that_the_next_mochi_hides(tmp_path: Path) -> None:
    folder = compiled(tmp_path, "VAEEncoder", model_of(interfaces(SIZE)["vae_encoder"]))
    assert program(folder).hidden == ""
    change(folder, inputSchema=[{"name": "x", "shape": "1 x 3 x 128 x 128"}])
    for facts in (program(folder), described_bundle(str(tmp_path)).programs[0]):
        assert (
            facts.hidden == "the shape '1 x 3 x 128 x 128' is not four positive numbers in brackets"
        )


def test_a_controlnet_needs_no_tokenizer(tmp_path: Path) -> None:
    folder = compiled(tmp_path, "Canny")
    change(folder, inputSchema=[{"name": "controlnet_cond", "shape": "[2, 3, 128, 128]"}])
    found = described_bundle(str(tmp_path))
    assert (found.is_net, found.vocabulary) == (True, ())


@pytest.mark.parametrize(
    ("vocab", "merges", "faults"),
    [
        (b"[]", b"a b\n", ("not a map from tokens to integers",)),
        (b"\xff", b"", ("not UTF-8 (invalid start byte at byte 0)",)),
        (
            b'{"a": 0}',
            b"a b",
            (
                "the token <|startoftext|> is missing",
                "the token <|endoftext|> is missing",
                "the last line has no line feed and would be lost",
            ),
        ),
    ],
)
def test_what_the_apps_reject_in_a_tokenizer_is_told(
    tmp_path: Path, vocab: bytes, merges: bytes, faults: tuple[str, ...]
) -> None:
    compiled(tmp_path)
    (tmp_path / "vocab.json").write_bytes(vocab)
    (tmp_path / "merges.txt").write_bytes(merges)
    assert examined(tmp_path).vocabulary == faults


def test_a_vocabulary_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    compiled(tmp_path)
    (tmp_path / "merges.txt").touch()
    with (tmp_path / "vocab.json").open("wb") as file:
        file.truncate(1 << 31)
    (fault,) = examined(tmp_path).vocabulary
    assert fault == (
        f"{tmp_path}/vocab.json: larger than 33,554,432 bytes, too large for a vocabulary"
    )
