from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from sdcoreml.convert.compile.compare import Compilation, Keep
from sdcoreml.convert.compile.compiled import TEXT
from sdcoreml.convert.compile.xcode import XcodeCompiler
from sdcoreml.doctor.commands.compile import compile_each, configure, lines
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UsageError
from tests.convert.compile.texts import COMPRESSED, OPERATIONS, package


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    configure(parser)
    return parser.parse_args(words)


def test_arguments() -> None:
    args = parse("a.mlpackage", "b.mlpackage", "-o", "out")
    assert args.packages == [Path("a.mlpackage"), Path("b.mlpackage")]
    assert (args.output, args.with_xcode) == (Path("out"), False)
    assert parse("a", "-o", "out", "--with-xcode").with_xcode


def test_an_output_must_be_given() -> None:
    with pytest.raises(SystemExit):
        parse("a.mlpackage")


def test_packages_become_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packages = [
        package(tmp_path / "Unet.mlpackage"),
        package(tmp_path / "VAEDecoder.mlpackage", COMPRESSED),
    ]
    assert compile_each(packages, tmp_path / "out", None, Keep.OURS) == 0
    assert (tmp_path / "out" / "Unet.mlmodelc" / TEXT).read_text() == OPERATIONS
    assert (tmp_path / "out" / "VAEDecoder.mlmodelc" / TEXT).read_text() == COMPRESSED
    printed = capsys.readouterr()
    verdict = (
        "compiled without Xcode, equal to Apple's compiler on the reference pairs, not yet loaded"
        " on a Mac"
    )
    assert printed.out == (
        f"{tmp_path}/out/Unet.mlmodelc: {verdict}\n{tmp_path}/out/VAEDecoder.mlmodelc: {verdict}\n"
    )
    assert "- compile Unet.mlpackage" in printed.err


def test_xcode_is_demanded_only_where_it_is(tmp_path: Path) -> None:
    given = package(tmp_path / "A.mlpackage")
    with pytest.raises(SdcoremlError, match="--with-xcode: no coremlcompiler here"):
        compile_each([given], tmp_path / "out", None, Keep.APPLES)
    assert not (tmp_path / "out").exists()


def test_a_difference_is_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "coremlcompiler.py"
    script.write_text("import sys; sys.exit('no such operation')")
    xcode = XcodeCompiler(command=(sys.executable, str(script)))
    given = package(tmp_path / "A.mlpackage")
    assert compile_each([given], tmp_path / "out", xcode, Keep.OURS) == 1
    assert "  " + str(given) + ": coremlcompiler failed" in capsys.readouterr().out


def test_two_packages_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    twins = [tmp_path / "a" / "Unet.mlpackage", tmp_path / "b" / "Unet.mlpackage"]
    with pytest.raises(UsageError, match="Unet: several packages have this name"):
        compile_each(twins, tmp_path / "out", None, Keep.OURS)


@pytest.mark.parametrize("output", ["taken", "taken/inside"])
def test_an_output_that_is_a_file_is_a_mistake(tmp_path: Path, output: str) -> None:
    (tmp_path / "taken").write_text("a letter")
    given = package(tmp_path / "A.mlpackage")
    with pytest.raises(UsageError, match="taken: is a file; choose another folder for -o"):
        compile_each([given], tmp_path / output, None, Keep.OURS)


def test_what_was_compiled_before_a_failure_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = [package(tmp_path / "A.mlpackage"), tmp_path / "gone.mlpackage"]
    with pytest.raises(BadInputError):
        compile_each(packages, tmp_path / "out", None, Keep.OURS)
    assert capsys.readouterr().out.startswith(f"{tmp_path}/out/A.mlmodelc: compiled")


def test_a_bad_package_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"gone\.mlpackage.*give a \.mlpackage"):
        compile_each([tmp_path / "gone.mlpackage"], tmp_path / "out", None, Keep.OURS)


def test_what_is_said_of_a_folder() -> None:
    outcome = Compilation(path=Path("A.mlmodelc"), verdict="made", differences=("this", "that"))
    assert lines(outcome) == ["A.mlmodelc: made", "  this", "  that"]
