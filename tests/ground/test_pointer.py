"""A Git LFS pointer in place of a file is reported as such, as after a clone without git-lfs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.storage.package import open_program
from sdcoreml.ground.errors import BadInputError
from tests.convert.compile.texts import package

POINTER = b"""version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 1719116
"""


@pytest.mark.parametrize(
    "name",
    [
        "X.mlpackage/Manifest.json",
        "X.mlpackage/Data/com.apple.CoreML/model.mlmodel",
        "X.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
        "X.mlmodelc/coremldata.bin",
        "X.mlmodelc/metadata.json",
        "X.mlmodelc/model.mil",
        "X.mlmodelc/weights/weight.bin",
    ],
)
def test_a_pointer_is_named_as_one(tmp_path: Path, name: str) -> None:
    compile_package(package(tmp_path / "X.mlpackage"), tmp_path / "X.mlmodelc")
    path = tmp_path / name
    path.unlink()
    path.write_bytes(POINTER)
    with (
        pytest.raises(BadInputError) as caught,
        open_program(tmp_path / name.partition("/")[0]),
    ):
        pass
    assert str(caught.value) == (
        f"{path}: a git-lfs pointer, not the file; run 'git lfs pull' in its folder"
    )
