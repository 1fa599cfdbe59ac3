"""Written packages: reproducible bytes, shared weights, and reading by coremltools."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest

from sdcoreml.convert.programs.options import Attention, ProgramOptions, Target
from sdcoreml.convert.spec.blobs import open_weights
from sdcoreml.convert.spec.model import DataType
from sdcoreml.convert.spec.reader import read_package
from tests.inside.convert.alone import import_coremltools
from tests.inside.convert.programs.models import checkpoint

COMPONENTS = ("text_encoder", "unet", "vae_decoder", "vae_encoder")


def digests(package: Path) -> dict[str, str]:
    return {
        path.relative_to(package).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(package.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_same_checkpoint_gives_the_same_bytes(component: str, tmp_path: Path) -> None:
    made = checkpoint(component, tmp_path)
    first = digests(made.write(tmp_path / "first.mlpackage"))
    assert list(first) == [
        "Data/com.apple.CoreML/model.mlmodel",
        "Data/com.apple.CoreML/weights/weight.bin",
        "Manifest.json",
    ]
    assert digests(made.write(tmp_path / "second.mlpackage")) == first


def test_attention_size_and_batch_share_one_weight_file(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    choices = (
        ProgramOptions(),
        ProgramOptions(attention=Attention.ORIGINAL),
        ProgramOptions(attention=Attention.SPLIT_EINSUM_V2, height=24, width=28),
        ProgramOptions(batch=1, tokens=9),
    )
    found = [digests(made.write(tmp_path / "x.mlpackage", choice)) for choice in choices]
    assert len({files["Data/com.apple.CoreML/weights/weight.bin"] for files in found}) == 1
    assert len({files["Data/com.apple.CoreML/model.mlmodel"] for files in found}) == 4


@pytest.mark.parametrize("component", COMPONENTS)
def test_what_is_read_back_is_what_was_built(component: str, tmp_path: Path) -> None:
    made = checkpoint(component, tmp_path)
    built, package = made.build(), read_package(made.write(tmp_path / "x.mlpackage"))
    assert package.model.program == built.model.program
    assert package.model.description.inputs == built.model.description.inputs
    assert package.model.description.outputs == built.model.description.outputs
    assert package.model.description.metadata == built.model.description.metadata
    assert package.weights is not None
    with open_weights(package.weights) as storage:
        records = [(r.offset, r.dtype, r.nbytes) for r in storage.records()]
    assert records == [(p.offset, p.type.dtype, p.nbytes) for p in built.payloads]


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("component", COMPONENTS)
def test_coremltools_reads_the_model(component: str, target: Target, tmp_path: Path) -> None:
    import_coremltools()
    from coremltools.proto import Model_pb2

    package = checkpoint(component, tmp_path).write(
        tmp_path / "x.mlpackage", ProgramOptions(target=target)
    )
    raw = (package / "Data/com.apple.CoreML/model.mlmodel").read_bytes()
    model = Model_pb2.Model.FromString(raw)
    assert model.specificationVersion == target.specification
    assert list(model.mlProgram.functions) == ["main"]
    assert model.mlProgram.functions["main"].opset == target.opset
    assert not model.FindInitializationErrors()
    # No field that protobuf does not know, none written twice: the size is that of its own writer.
    assert len(model.SerializeToString(deterministic=True)) == len(raw)


@pytest.mark.parametrize("target", [Target.MACOS13, Target.MACOS14])
@pytest.mark.parametrize("component", COMPONENTS)
def test_coremltools_loads_the_whole_package_and_infers_the_same_types(
    component: str, target: Target, tmp_path: Path
) -> None:
    import_coremltools()
    import coremltools
    from coremltools.converters.mil.frontend.milproto.load import load
    from coremltools.converters.mil.mil import types

    options = ProgramOptions(target=target)
    package = checkpoint(component, tmp_path).write(tmp_path / "x.mlpackage", options)
    spec = coremltools.utils.load_spec(str(package))
    program = load(
        spec,
        specification_version=spec.specificationVersion,
        file_weights_dir=str(package / "Data/com.apple.CoreML/weights"),
    )
    names = {
        types.bool: DataType.BOOL,
        types.fp16: DataType.FLOAT16,
        types.fp32: DataType.FLOAT32,
        types.int32: DataType.INT32,
    }
    inferred = {
        var.name: (names[var.dtype], tuple(map(int, var.shape)))
        for operation in program.functions["main"].operations
        if operation.op_type != "const"
        for var in operation.outputs
    }
    written = {
        result.name: (result.tensor.dtype, result.tensor.shape)
        for operation in read_package(package).model.program.main.block.operations
        if not operation.is_constant
        for result in operation.outputs
    }
    assert inferred == written


def test_the_weight_file_is_what_coremltools_would_write(tmp_path: Path) -> None:
    import_coremltools()
    import numpy as np
    from coremltools.libmilstoragepython import _BlobStorageWriter

    from sdcoreml.convert.storage.elements import NUMPY

    package = read_package(checkpoint("vae_decoder", tmp_path).write(tmp_path / "x.mlpackage"))
    assert package.weights is not None
    theirs = tmp_path / "weight.bin"
    writer = _BlobStorageWriter(str(theirs))
    with open_weights(package.weights) as storage:
        for record in storage.records():
            data = np.frombuffer(storage.data(record), NUMPY[record.dtype])
            if record.dtype is DataType.FLOAT16:
                writer.write_fp16_data(data.view(np.uint16))
            else:
                writer.write_float_data(data)
    del writer
    expected = bytearray(theirs.read_bytes())
    with open_weights(package.weights) as storage:
        for record in storage.records():  # it leaves what is reserved uninitialised
            expected[record.offset + 24 : record.offset + 64] = bytes(40)
    assert expected == package.weights.read_bytes()


def test_input_and_output_types_are_those_of_the_contract(tmp_path: Path) -> None:
    ports = {}
    for component in COMPONENTS:
        description = checkpoint(component, tmp_path).build().model.description
        for feature in (*description.inputs, *description.outputs):
            assert feature.description
            assert feature.dtype is not None
            ports[feature.name] = (feature.dtype.name, feature.shape)
    assert ports == {
        "input_ids": ("FLOAT32", (1, 77)),
        "last_hidden_state": ("FLOAT32", (1, 77, 32)),
        "pooled_outputs": ("FLOAT32", (1, 32)),
        "sample": ("FLOAT16", (2, 4, 16, 16)),
        "timestep": ("FLOAT16", (2,)),
        "encoder_hidden_states": ("FLOAT16", (2, 24, 1, 77)),
        "noise_pred": ("FLOAT32", (2, 4, 16, 16)),
        "z": ("FLOAT16", (1, 4, 8, 8)),
        "image": ("FLOAT32", (1, 3, 64, 64)),
        "x": ("FLOAT16", (1, 3, 64, 64)),
        "latent": ("FLOAT32", (1, 8, 8, 8)),
    }


def test_the_header_counts_the_records(tmp_path: Path) -> None:
    made = checkpoint("text_encoder", tmp_path)
    package = made.write(tmp_path / "x.mlpackage")
    head = (package / "Data/com.apple.CoreML/weights/weight.bin").read_bytes()[:64]
    assert struct.unpack("<II56x", head) == (len(made.build().payloads), 2)
