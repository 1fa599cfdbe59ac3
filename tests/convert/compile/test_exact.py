from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.bundle.ports import Dimensions, interfaces
from sdcoreml.convert.compile.compiled import read_compiled
from sdcoreml.convert.compile.exact import compile_alike, compiled_oddities, model_oddities
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.spec.model import FunctionDescription
from sdcoreml.convert.spec.reader import read_package
from tests.convert.stand_ins import model_of, write_stand_in

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    package = tmp_path / "Unet.mlpackage"
    write_stand_in(package, model_of(interfaces(SIZE)["unet"]))
    compile_package(package, tmp_path / "Unet.mlmodelc")
    return tmp_path / "Unet.mlmodelc"


def digest_of(compiled: Path) -> str:
    model = compiled.with_suffix(".mlpackage") / "Data" / "com.apple.CoreML" / "model.mlmodel"
    return hashlib.sha256(model.read_bytes()).hexdigest()


def test_it_is_what_reading_the_compiled_model_gives(compiled: Path) -> None:
    source = read_package(compiled.with_suffix(".mlpackage"))
    assert compile_alike(source, compiled, digest_of(compiled)) == read_compiled(compiled)


@pytest.mark.parametrize(
    "name", ["model.mil", "coremldata.bin", "metadata.json", "analytics/coremldata.bin"]
)
def test_a_file_with_one_byte_more_is_not_alike(compiled: Path, name: str) -> None:
    source = read_package(compiled.with_suffix(".mlpackage"))
    path = compiled / name
    path.write_bytes(path.read_bytes() + b" ")
    assert compile_alike(source, compiled, digest_of(compiled)) is None


def test_a_file_that_is_gone_is_not_alike(compiled: Path) -> None:
    source = read_package(compiled.with_suffix(".mlpackage"))
    digest = digest_of(compiled)
    (compiled / "metadata.json").unlink()
    assert compile_alike(source, compiled, digest) is None


def test_what_ours_never_have_is_named(compiled: Path) -> None:
    model = read_compiled(compiled).model
    assert list(model_oddities(model)) == []
    main = model.program.main
    state = replace(model.description.inputs[0], name="cache")
    strange = replace(
        model,
        is_updatable=True,
        program=replace(model.program, functions={"main": main, "other": main}),
        description=replace(model.description, states=(state,)),
    )
    assert list(model_oddities(strange)) == [
        "has the function 'other' beside 'main'",
        "has a state, 'cache'",
        "can be updated on the device",
    ]
    described = FunctionDescription(name="decode", inputs=(), outputs=())
    more = replace(model, description=replace(model.description, functions=(described,)))
    assert list(model_oddities(more)) == ["has the function 'decode' beside 'main'"]


def test_another_compiler_is_named(compiled: Path) -> None:
    found = read_compiled(compiled)
    assert list(compiled_oddities(found, digest_of(compiled))) == []
    text = compiled / "model.mil"
    text.write_text(re.sub(r'("coremlc-version", ")[^"]*', r"\g<1>0.0.0", text.read_text()))
    said = [what for _, what in compiled_oddities(read_compiled(compiled), digest_of(compiled))]
    assert said[0] == "names another compiler"
