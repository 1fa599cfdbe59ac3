from __future__ import annotations

import argparse
import io
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.commands import diagnose
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.places import environments_folder
from tests.doctor.gather.test_toolchain import built
from tests.doctor.knowledge.test_diagnosis import BASE, LOG
from tests.schemas import read_as

PAGE = """\
cause    huggingface_hub 0.26 removed cached_download, which diffusers before
         0.29 imports.
         line 4: ImportError: cannot import name 'cached_download' from
         'huggingface_hub' (x.py)
do       Go back to huggingface_hub 0.25.2 or older (tested: 0.17.3), or:
         `sdcoreml env`.
         hub-cached-download-removed (certain); seen in time by PIN005, PIN001

follows  diffusers and transformers import lazily and wrap whatever failed in
         this message.
         line 8: RuntimeError: Failed to import diffusers.pipelines.x because of
         the following error (look up):
do       The innermost message in the log is the cause.
         diffusers-sub-import-clip-failed (certain); seen in time by ENV005

harmless line 1: sklearn-untested-with-coremltools: Only the conversion of
         scikit-learn models is switched off; k-means for palettization still
         works.
"""


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    diagnose.configure(parser)
    return diagnose.run(parser.parse_args(["--anywhere", *words]))


def test_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.txt"
    path.write_text(LOG)
    assert run(str(path)) == 1
    assert capsys.readouterr().out == PAGE


@pytest.mark.parametrize(
    ("words", "text", "compared"),
    [
        ([], "x", {"torch": "2"}),
        (["--anywhere"], "x", {}),
        ([], 'File "/elsewhere/lib/python3.10/site-packages/x.py"', {}),
        ([], 'File "HERE/a/lib/python3.10/site-packages/x.py"', {"torch": "2"}),
    ],
)
def test_a_log_of_this_machine_is_compared_with_the_versions_here(
    words: list[str],
    text: str,
    compared: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    def listen(*given: object) -> object:
        asked.append(given[2])
        return examine("", ())

    monkeypatch.setattr(diagnose, "versions_here", lambda name: {"torch": "2"} if name else {})
    monkeypatch.setattr(diagnose, "examine", listen)
    (tmp_path / "log").write_text(text.replace("HERE", str(environments_folder())))
    parser = argparse.ArgumentParser()
    diagnose.configure(parser)
    diagnose.run(parser.parse_args([*words, str(tmp_path / "log")]))
    assert asked == [compared]


def test_standard_input_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LOG.encode() + b"\xff")))
    assert run("--json") == 1
    content = read_as("diagnose", capsys.readouterr().out)
    assert content["schema"] == 1
    first = content["matches"][0]
    assert (first["id"], first["line"], first["role"]) == (
        "hub-cached-download-removed",
        4,
        "cause",
    )


TRACE = """\
Traceback (most recent call last):
  File "x.py", line 1, in <module>
    run()
  | nothing of ours
StrangeError: the first

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
OtherError: the second
"""
HARMLESS = "global_step key not found in model\n"


@pytest.mark.parametrize("before", ["", HARMLESS])
def test_where_nothing_is_known_the_innermost_exception_is_shown(
    before: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.txt"
    path.write_text(before + TRACE)
    assert run(str(path)) == 3
    out = capsys.readouterr().out
    line = 5 + before.count("\n")
    assert out.endswith(
        "unknown  no failure that is known; what went wrong first is\n"
        f"         line {line}: StrangeError: the first\n"
        "         and it ended with\n"
        f"         line {line + 5}: OtherError: the second\n"
    )
    assert out.startswith("harmless line 1: " if before else "unknown")


@pytest.mark.parametrize(
    ("log", "out"),
    [
        ("\n", "no failure that is known, and no line that tells of one\n"),
        (
            "all went well\n",
            """\
no failure that is known; no line tells of one; the last words are
         line 1: all went well
""",
        ),
        (
            "start\nframbulator: error: the gauge is off\n",
            """\
no failure that is known; the line that tells most is
         line 2: frambulator: error: the gauge is off
""",
        ),
    ],
)
def test_a_log_without_anything_known_is_told_in_a_line(
    log: str, out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.txt"
    path.write_text(log)
    assert run(str(path)) == 3
    assert capsys.readouterr().out == f"unknown  {out}"


GUESS = """\
perhaps  The app or Swift program stopped itself; this line does not say why.
         Mostly the folder lacks something, is of another family, or is for
         other compute units.
         line 1: Exception Type:  EXC_BREAKPOINT (SIGTRAP)
do       `sdcoreml doctor FOLDER` says what is missing or does not fit; of a
         crash report, the lines under the crashed thread say more.
         family-app-crash (a guess); seen in time by BUN001, BUN006, BUN011

"""


def test_where_nothing_failed_no_warning_is_told_as_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.txt"
    path.write_text("Error: no space left on device, falling back to memory\nSaved.\n")
    assert run(str(path)) == 0
    out = capsys.readouterr().out
    assert "harmless line 1: family-disk-full: A warning or notice of which" in out
    assert "last     no line tells of a failure; the last words are\n         line 2" in out


ASKED = """\
notice   Core ML exists on macOS only: elsewhere coremltools writes programs and
         cannot run them.
         line 2: Error:Failed to load _MLModelProxy: no such framework
do       `sdcoreml verify FOLDER` runs a folder's programs on any system;
         `sdcoreml draw FOLDER "A PROMPT"` draws with them.
         family-predict-elsewhere (likely); seen in time by SYS005

last     no line tells of a failure
"""


def test_a_notice_is_told_in_full_where_nothing_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.txt"
    line = "Error:Failed to load _MLModelProxy: no such framework\n"
    path.write_text(f"import coremltools as ct\n{line}")
    assert run(str(path)) == 0
    assert capsys.readouterr().out == ASKED


def test_of_notices_of_one_kind_one_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.txt"
    names = ("_MLModelProxy", "_MLModelAssetProxy", "_MLCPUComputeDeviceProxy")
    path.write_text(
        "".join(
            f"Failed to load {name}: No module named 'coremltools.libcoremlpython'\n"
            for name in names
        )
    )
    assert run(str(path)) == 0
    out = capsys.readouterr().out
    assert out.startswith("notice   Nothing is broken on Linux, ")
    assert out.endswith("\nlast     no line tells of a failure\n")


def test_a_guess_is_called_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.txt"
    path.write_text("Exception Type:  EXC_BREAKPOINT (SIGTRAP)\n")
    assert run(str(path)) == 1
    assert capsys.readouterr().out == GUESS


def test_the_error_is_quoted_too_where_the_cause_is_another_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.txt"
    path.write_text("Failed to load _MLModelProxy: No module named 'coremltools.libcoremlpython'\n")
    assert run(str(path)) == 0
    path.write_text(path.read_text() + "StrangeError: told by nobody\n")
    assert run(str(path)) == 1
    assert capsys.readouterr().out.endswith(
        "error    the line that itself tells most of a failure is\n"
        "         line 2: StrangeError: told by nobody\n"
    )


def test_several_logs_are_told_one_after_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("all went well\n")
    two.write_text(HARMLESS)
    assert run(str(one), str(two)) == 3
    out = capsys.readouterr().out
    assert out.startswith(f"{one}:\nunknown  ")
    assert f"{two}:\nharmless line 1: " in out
    run("--json", str(one), str(two))
    content = read_as("diagnose", capsys.readouterr().out)
    assert [log["log"] for log in content["logs"]] == [str(one), str(two)]


def test_json_tells_of_the_line_that_decides_and_its_chain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.txt"
    path.write_text(TRACE)
    run("--json", str(path))
    content = read_as("diagnose", capsys.readouterr().out)
    assert content["decisive"] == {
        "line": 5,
        "text": "StrangeError: the first",
        "telling": "an exception",
    }
    assert content["others"] == [{"line": 10, "text": "OtherError: the second"}]
    assert [one["relation"] for one in content["exceptions"]] == [
        "first",
        "while handling the one before",
    ]


@pytest.mark.parametrize(("data", "what"), [(bytes(range(32)) * 9, "not a text"), (b"", "")])
def test_what_is_no_text_is_a_line(
    data: bytes, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(data)
    if what:
        with pytest.raises(BadInputError, match=what):
            run(str(path))
    else:
        assert run(str(path)) == 3
        assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_long_line_is_shown_from_both_ends() -> None:
    said = " ".join(diagnose._quote(7, "Error: " + "x y " * 200 + "the/end"))
    assert said.split()[:3] == ["line", "7:", "Error:"]
    assert " ... " in " ".join(said.split())
    assert said.endswith("the/end")
    assert len(said) < 400


def test_a_person_at_a_terminal_is_told_what_is_awaited(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(io.BytesIO(LOG.encode())))
    assert run() == 1
    assert "paste the log, then end it with Ctrl-D" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("log", "code"), [("all went well\n", 3), (HARMLESS, 0), (HARMLESS + TRACE, 3)]
)
def test_exit_codes(tmp_path: Path, log: str, code: int) -> None:
    path = tmp_path / "log.txt"
    path.write_text(log)
    assert run(str(path)) == code


def test_the_output_of_a_command_is_read_as_a_shell_passes_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    read, write = os.pipe()
    os.write(write, b"ImportError: cannot import name 'cached_download' from 'huggingface_hub'")
    os.close(write)
    assert run(f"/dev/fd/{read}") == 1
    assert "hub-cached-download-removed" in capsys.readouterr().out
    with pytest.raises(BadInputError):
        run("/dev/fd/987")


def test_an_absent_log_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such file; give"):
        run(str(tmp_path / "nothing"))


def test_a_built_environment_s_versions_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    assert "torch" not in diagnose.versions_here()
    built(tmp_path)
    found = diagnose.versions_here()
    assert (found["torch"], found["python"]) == ("2.2.0", "3.10.13")


def test_a_log_of_packages_elsewhere_is_not_judged_by_what_is_installed_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    built(tmp_path)
    frame = '  File "/opt/x/lib/python3.9/site-packages/onnx/x.py", line 1, in f\n    f()\n'
    log = tmp_path / "log.txt"
    log.write_text(f"{frame}TypeError: Descriptors cannot not be created directly.\n")
    parser = argparse.ArgumentParser()
    diagnose.configure(parser)
    assert diagnose.run(parser.parse_args([str(log)])) == 1
    assert "protobuf-descriptors (certain)" in capsys.readouterr().out


def test_a_doubt_is_told_after_what_to_do() -> None:
    entry = replace(BASE, when={"huggingface_hub": ">=0.26"})
    lines = diagnose.page(examine("boom", [entry], {"huggingface-hub": "0.17.3"}))
    assert [line for line in lines if line.startswith("but ")] == [
        "but      huggingface_hub 0.17.3 here, this needs >=0.26"
    ]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_of_a_log_that_is_too_long_both_ends_are_read_and_lines_keep_their_numbers(
    ending: str,
) -> None:
    log = ending.join(["first", *["x" * 40] * 100, "Error: boom", ""])
    read = diagnose.read_ends(io.BytesIO(log.encode()), 400)
    assert len(read.text) < 550, "no line stands for those in between"
    first = replace(BASE, id="first", pattern="^first$")
    matches = examine(read.text, [first, BASE], gap=read.gap).matches
    assert {(one.text, one.line) for one in matches} == {("first", 1), ("Error: boom", 102)}


def test_of_what_never_ends_the_beginning_is_read() -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, room: object) -> int:
            view = memoryview(room)  # type: ignore[arg-type]
            view[:] = b"y\n" * (len(view) // 2) + b"y" * (len(view) % 2)
            return len(view)

    read = diagnose.read_ends(io.BufferedReader(Endless()), 400, 100_000)
    assert read.is_endless
    assert len(read.text) < 1000
    assert not diagnose.read_ends(io.BytesIO(b"y\n" * 100), 400, 100_000).is_endless


def test_a_log_that_never_ends_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Killed: 9\n" * 9)))
    monkeypatch.setattr(diagnose.read_ends, "__defaults__", (40, 60))
    assert run("-") == 1
    assert "note: - is longer than 4 GiB" in capsys.readouterr().err


def test_a_log_that_is_not_too_long_is_read_whole() -> None:
    assert diagnose.read_ends(io.BytesIO("\ufeffaé\nb".encode()), 400).text == "aé\nb"
    assert diagnose.read_ends(io.BytesIO("a\nb\n".encode("utf-16")), 10).text == "a\nb\n"


def test_of_a_long_line_the_part_that_tells_is_quoted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.txt"
    tried = "'/somewhere/x.so' (no such file), " * 20
    told = "(mach-o file, but is an incompatible architecture (have 'arm64', need 'x86_64'))"
    path.write_text(
        f"ImportError: dlopen(/me/x.so, 0x0002): tried: {tried}'/me/x.so' {told}, {tried}\n"
    )
    assert run(str(path)) == 1
    quoted = " ".join(capsys.readouterr().out.split("do  ")[0].split())
    assert "line 1: ImportError: dlopen(/me/x.so, 0x0002): t ... " in quoted
    assert told in quoted
    assert len(quoted) < 600


def test_of_a_long_line_whose_words_are_its_begin_begin_and_end_are_quoted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.txt"
    path.write_text(f"ModuleNotFoundError: No module named 'torch' {'x' * 400} the end\n")
    assert run(str(path)) == 1
    quoted = " ".join(capsys.readouterr().out.split("do  ")[0].split())
    assert "line 1: ModuleNotFoundError: No module named 'torch' xx" in quoted
    assert quoted.endswith(" the end")
