"""A compiled model is checked by what it contains, not by the package beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.convert.certificates.check import examine
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.parity.check import QUICK, check_component
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.ground.errors import SdcoremlError
from tests.inside.convert.programs.models import Checkpoint, checkpoint

Damage = Callable[[Path], None]


@pytest.fixture
def made(tmp_path: Path) -> Checkpoint:
    return checkpoint("text_encoder", tmp_path)


@pytest.fixture
def compiled(made: Checkpoint, tmp_path: Path) -> Path:
    package, folder = made.write(tmp_path / "Text.mlpackage"), tmp_path / "Text.mlmodelc"
    compile_package(package, folder)
    return folder


def text(old: str, new: str) -> Damage:
    """Replace the last occurrence of a text in model.mil."""

    def damage(folder: Path) -> None:
        path = folder / "model.mil"
        head, found, tail = path.read_text().rpartition(old)
        assert found
        path.write_text(head + new + tail)

    return damage


def flip_a_bit(folder: Path) -> None:
    path = folder / "weights" / "weight.bin"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()  # the package's is the same file
    path.write_bytes(content)


def key(made: Checkpoint, path: Path) -> str:
    return check_component("text_encoder", path, made.config, made.weights, QUICK).key


def test_it_is_the_graph_that_its_package_is(made: Checkpoint, compiled: Path) -> None:
    parity = check_component("text_encoder", compiled, made.config, made.weights)
    assert parity.passed
    assert parity.package == str(compiled)
    assert parity.key == key(made, compiled.with_suffix(".mlpackage"))


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_bit,
        text("= add(x", "= mul(x"),
        text("(0x1p-2)", "(0x1.01p-2)"),
        text("transpose_x = constant_16", "transpose_x = constant_4"),
    ],
    ids=["a bit of a weight", "another operation", "another constant", "swapped constants"],
)
def test_what_it_says_is_what_counts(made: Checkpoint, compiled: Path, damage: Damage) -> None:
    right = key(made, compiled)
    damage(compiled)
    try:
        parity = check_component("text_encoder", compiled, made.config, made.weights, QUICK)
    except SdcoremlError:
        return
    assert not parity.passed
    certificate = Certificate(
        key=right,
        component="text_encoder",
        title="",
        outputs=(),
        runs=1,
        toolchain="tested",
        lock="5f",
        date="2026-11-28",
    )
    found = examine(compiled, "text_encoder", made.config, made.weights, ProgramOptions())
    assert found.certified("text_encoder", {right: certificate}) is None
