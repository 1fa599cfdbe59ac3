from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.convert.compile.compare import Keep, compile_compared, differences
from sdcoreml.convert.compile.compiled import (
    ANALYTICS,
    METADATA,
    TEXT,
    WEIGHTS,
)
from sdcoreml.convert.compile.package import UNTRIED, compile_package
from sdcoreml.convert.compile.xcode import XcodeCompiler
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from tests.convert.compile.texts import OPERATIONS, described, package, source, weights
from tests.convert.spec.packages import model, write_package

STAND_IN = """\
import pathlib, shutil, sys
_, package, folder = sys.argv[1:]
made = pathlib.Path(folder) / (pathlib.Path(package).stem + ".mlmodelc")
shutil.copytree({folder!r}, made)
"""


def apples(
    tmp_path: Path, given: Path, change: Callable[[Path], object] = lambda _: None
) -> XcodeCompiler:
    """Return a stand-in for `coremlcompiler` 9.9, which writes our own output with a change."""
    folder = compile_package(given, tmp_path / "apples.mlmodelc").path
    text = folder / TEXT
    text.write_text(text.read_text().replace("3500.32.1", "9.9").replace("3500.14.1", "9.8"))
    content = json.loads((folder / METADATA).read_text())
    content[0]["generatedClassName"] = given.stem
    (folder / METADATA).write_text(json.dumps(content))
    change(folder)
    script = tmp_path / "coremlcompiler.py"
    script.write_text(STAND_IN.format(folder=str(folder)))
    return XcodeCompiler(command=(sys.executable, str(script)))


def test_without_xcode_the_verdict_is_honest(tmp_path: Path) -> None:
    given, target = package(tmp_path / "A.mlpackage"), tmp_path / "out" / "A.mlmodelc"
    outcome = compile_compared(given, target, None)
    assert (outcome.path, outcome.verdict, outcome.differences) == (target, UNTRIED, ())
    assert "not yet loaded on a Mac" in UNTRIED
    assert (target / TEXT).read_text() == OPERATIONS


def test_with_xcode_both_are_made_and_compared(tmp_path: Path) -> None:
    given, target = package(tmp_path / "A.mlpackage"), tmp_path / "out" / "A.mlmodelc"
    outcome = compile_compared(given, target, apples(tmp_path, given))
    assert outcome.verdict == ("compiled without Xcode, equal to the result of coremlcompiler 9.9")
    assert outcome.differences == ()
    assert (target / TEXT).read_text() == OPERATIONS
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["A.mlmodelc"]


def test_apples_may_be_kept(tmp_path: Path) -> None:
    given, target = package(tmp_path / "A.mlpackage"), tmp_path / "out" / "A.mlmodelc"
    outcome = compile_compared(given, target, apples(tmp_path, given), Keep.APPLES)
    assert outcome.verdict == ("compiled with coremlcompiler 9.9, equal to sdcoreml's result")
    assert "9.9" in (target / TEXT).read_text()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["A.mlmodelc"]


def rename(folder: Path) -> None:
    text = folder / TEXT
    text.write_text(text.read_text().replace("x = waves", "x = crests"))


def recount(folder: Path) -> None:
    content = json.loads((folder / METADATA).read_text())
    content[0]["method"] = "guess"
    content[0]["novelty"] = "1"
    (folder / METADATA).write_text(json.dumps(content))


def no_metadata(folder: Path) -> None:
    (folder / METADATA).write_text("[]")


def no_analytics(folder: Path) -> None:
    (folder / ANALYTICS).unlink()


def heavier(folder: Path) -> None:
    path = folder / WEIGHTS
    content = path.read_bytes()
    path.unlink()  # a hard link to the package's
    path.write_bytes(content[:-1] + b"\x01")


def bare(folder: Path) -> None:
    text = folder / TEXT
    content = text.read_text().replace('{"coremlc-version"', '{"other", "1"}, {"coremlc-version"')
    text.write_text(content)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (rename, ["model.mil: function 'main': operation 34 (mul) differs"]),
        (recount, ["metadata.json: method differs", "metadata.json: novelty differs"]),
        (no_metadata, ["metadata.json: differs"]),
        (no_analytics, ["analytics/coremldata.bin: differs"]),
        (heavier, ["weights/weight.bin: differs"]),
        (bare, ["model.mil: build information differs"]),
    ],
)
def test_any_difference_is_told(
    tmp_path: Path, change: Callable[[Path], None], expected: list[str]
) -> None:
    given, target = package(tmp_path / "A.mlpackage"), tmp_path / "out" / "A.mlmodelc"
    outcome = compile_compared(given, target, apples(tmp_path, given, change))
    assert list(outcome.differences) == expected
    assert "differs from the result of coremlcompiler 9.9" in outcome.verdict
    assert (target / TEXT).read_text() == OPERATIONS


def test_an_xcode_that_fails_is_a_difference_not_a_failure(tmp_path: Path) -> None:
    given, target = package(tmp_path / "A.mlpackage"), tmp_path / "out" / "A.mlmodelc"
    outcome = compile_compared(given, target, XcodeCompiler(command=(str(tmp_path / "gone"),)))
    assert outcome.verdict == f"{UNTRIED}; not compared with Xcode's compiler"
    assert "cannot be started" in outcome.differences[0]
    assert (target / TEXT).read_text() == OPERATIONS


def unsupported(tmp_path: Path) -> Path:
    program = source(OPERATIONS)
    content = model(program, described(program), 10)
    return write_package(tmp_path / "new" / "A.mlpackage", content, weights(program))


def test_what_only_xcode_can_compile_is_compiled_with_it(tmp_path: Path) -> None:
    xcode = apples(tmp_path, package(tmp_path / "A.mlpackage"))
    target = tmp_path / "out" / "A.mlmodelc"
    outcome = compile_compared(unsupported(tmp_path), target, xcode, Keep.APPLES)
    assert outcome.verdict.startswith("compiled with Xcode; not without it: ")
    assert "specification version 10" in outcome.verdict
    assert (target / TEXT).is_file()


def test_an_apple_text_of_unknown_notation_is_kept(tmp_path: Path) -> None:
    given, target = package(tmp_path / "A.mlpackage"), tmp_path / "out" / "A.mlmodelc"

    def renew(folder: Path) -> None:
        (folder / TEXT).write_text("program(2.0)")

    outcome = compile_compared(given, target, apples(tmp_path, given, renew), Keep.APPLES)
    assert "text version '2.0'" in outcome.verdict
    assert (target / TEXT).read_text() == "program(2.0)"


def test_what_only_xcode_can_compile_is_refused_otherwise(tmp_path: Path) -> None:
    xcode = apples(tmp_path, package(tmp_path / "A.mlpackage"))
    with pytest.raises(UnsupportedError, match="sdcoreml compile --with-xcode"):
        compile_compared(unsupported(tmp_path), tmp_path / "out" / "A.mlmodelc", xcode)


def test_only_compiled_folders_are_compared(tmp_path: Path) -> None:
    folder = compile_package(package(tmp_path / "A.mlpackage"), tmp_path / "A.mlmodelc").path
    shutil.copytree(folder, tmp_path / "B.mlmodelc")
    assert list(differences(folder, tmp_path / "B.mlmodelc")) == []
    with pytest.raises(BadInputError, match="no such file"):
        list(differences(folder, tmp_path))
