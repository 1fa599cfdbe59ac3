from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sdcoreml.convert.compile.compiled import COREMLDATA, TEXT
from sdcoreml.convert.compile.xcode import XcodeCompiler, find_xcode
from sdcoreml.ground.errors import BadInputError, SdcoremlError
from sdcoreml.ground.events import Event

SCRIPT = """\
import pathlib, sys
command, package, folder = sys.argv[1:]
assert command == "compile"
made = pathlib.Path(folder) / (pathlib.Path(package).stem + ".mlmodelc")
"""
MAKES_TWO = """\
made.mkdir()
(made / "model.mil").write_text("program")
(made / "coremldata.bin").write_text(package)
(made / "weights").mkdir()
"""


def stand_in(tmp_path: Path, body: str) -> XcodeCompiler:
    """Write a stand-in for `coremlcompiler`: a Python script with this body."""
    script = tmp_path / "coremlcompiler.py"
    script.write_text(SCRIPT + body)
    return XcodeCompiler(command=(sys.executable, str(script)))


def test_the_compilers_folder_takes_the_wanted_name(tmp_path: Path) -> None:
    package, target = tmp_path / "a b 'c'.mlpackage", tmp_path / "out" / "Unet.mlmodelc"
    package.mkdir()
    said: list[Event] = []
    stand_in(tmp_path, MAKES_TWO).compile(package, target, said.append)
    assert said == [Event(kind="step", text="compile a b 'c'.mlpackage with Xcode")]
    assert sorted(path.name for path in target.iterdir()) == [
        COREMLDATA,
        TEXT,
        "weights",
    ]
    assert (target / COREMLDATA).read_text() == str(package)  # quoting is nobody's concern
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["Unet.mlmodelc"]


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("sys.exit('unsupported op')", BadInputError, "exit code 1: unsupported op"),
        ("sys.exit(3)", BadInputError, "exit code 3: nothing"),
        ("", SdcoremlError, r"reported success but left no model\.mil"),
        ("made.mkdir(); (made / 'model.mil').write_text('')", SdcoremlError, "no coremldata"),
    ],
)
def test_a_failure_leaves_nothing(
    tmp_path: Path, body: str, error: type[SdcoremlError], message: str
) -> None:
    target = tmp_path / "out" / "A.mlmodelc"
    with pytest.raises(error, match=message):
        stand_in(tmp_path, body).compile(tmp_path / "A.mlpackage", target)
    assert not (tmp_path / "out").exists()


def test_a_compiler_that_is_not_there(tmp_path: Path) -> None:
    xcode = XcodeCompiler(command=(str(tmp_path / "gone"),))
    with pytest.raises(SdcoremlError, match=r"gone: cannot be started: No such file"):
        xcode.compile(tmp_path / "A.mlpackage", tmp_path / "A.mlmodelc")


def programs(tmp_path: Path, selected: str, found: str) -> str:
    """Return a PATH with stand-ins for `xcode-select` and `xcrun`, which print these answers."""
    for name, answer in (("xcode-select", selected), ("xcrun", found)):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\n{answer}\n")
        script.chmod(0o755)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("system", "selected", "found", "expected"),
    [
        ("Darwin", "echo /X", 'echo "$1 $2"', XcodeCompiler(command=("--find coremlcompiler",))),
        ("Darwin", "exit 2", "echo /X/bin/coremlcompiler", None),
        ("Darwin", "echo /CommandLineTools", "exit 72", None),
        ("Linux", "echo /X", "echo /X/bin/coremlcompiler", None),
    ],
)
def test_xcode_is_found_where_it_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    selected: str,
    found: str,
    expected: XcodeCompiler | None,
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setenv("PATH", programs(tmp_path, selected, found))
    assert find_xcode() == expected


def test_without_developer_tools_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_xcode() is None
