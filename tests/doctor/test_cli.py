from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.doctor import cli
from sdcoreml.ground.errors import UsageError


def sdcoreml(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdcoreml", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )


def test_every_command_has_a_module_that_configures_and_runs() -> None:
    for command in cli.COMMANDS:
        module = command.load()
        assert callable(module.configure)
        assert callable(module.run)


def test_help_lists_every_command_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for command in cli.COMMANDS:
        assert command.help in " ".join(text.split())
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.mark.parametrize("arguments", [["nonsense"], ["doctor", "--nonsense"], ["convert"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    run = sdcoreml(*arguments)
    assert run.returncode == 2
    assert "usage: sdcoreml" in run.stderr or run.stderr.startswith("error: ")
    assert "Traceback" not in run.stderr


def test_no_command_at_all_is_wrong_usage_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([])
    assert caught.value.code == 2
    assert "usage: sdcoreml" in capsys.readouterr().err


def test_an_error_is_one_line_and_its_own_exit_code() -> None:
    run = sdcoreml("convert", "/nonexistent/model")
    assert run.returncode == 3
    assert run.stderr.splitlines()[-1].startswith("error: /nonexistent/model: ")
    assert "Traceback" not in run.stderr


def test_only_the_chosen_command_is_imported() -> None:
    code = "import sys, sdcoreml.doctor.cli as c; c.parse(['doctor']); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = run.stdout.split()
    assert "sdcoreml.doctor.commands.doctor" in modules
    assert "sdcoreml.doctor.commands.convert" not in modules
    for heavy in ("torch", "numpy", "rich", "git"):
        assert heavy not in modules


def test_options_and_paths_alone_mean_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert cli.meant([]) == ("doctor",)
    assert cli.meant(["--json", "x"]) == ("doctor", "--json", "x")
    assert cli.meant(["model"]) == ("doctor", "model")
    for given in (["--help"], ["env", "list"], ["misspelt"]):
        assert cli.meant(given) == given


@pytest.mark.parametrize(
    ("encoding", "name", "told"),
    [
        ("utf-8:strict", b"no\xfftext", "no\\udcfftext"),
        ("ascii:strict", "caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), "caf\\xe9"),
        ("utf-8:strict", "caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), "caf\xe9"),
    ],
)
def test_any_file_name_can_be_said(tmp_path: Path, encoding: str, name: bytes, told: str) -> None:
    model = tmp_path / os.fsdecode(name)
    model.mkdir()
    (model / "model_index.json").write_text("{")
    run = sdcoreml("inspect", str(model), PYTHONIOENCODING=encoding)
    assert run.returncode == 3
    assert f"/{told}: " in run.stdout
    assert "Traceback" not in run.stderr
    run = sdcoreml("convert", str(model / "nothing"), PYTHONIOENCODING=encoding)
    assert f"/{told}/nothing: " in run.stderr
    assert "Traceback" not in run.stderr


def test_a_reader_that_has_enough_is_no_fault() -> None:
    command = f"{sys.executable} -m doctor explain --markdown | head -n 1; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert run.stdout == "# Checks\n0\n"
    assert run.stderr == ""


def failing(error: BaseException) -> Callable[[], int]:
    """A command that ends in some way."""

    def run() -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "interrupted; nothing half-made was left\n"),
        (UsageError("--a and --b do not fit"), 2, "error: --a and --b do not fit\n"),
    ],
)
def test_each_way_to_end_has_its_code(
    error: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.concluded(failing(error)) == code
    assert capsys.readouterr().err == told


def test_a_bug_of_ours_is_one_line_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert cli.concluded(failing(ZeroDivisionError("ours"))) == 70
    (log,) = tmp_path.glob("sdcoreml-bug-*.log")
    assert capsys.readouterr().err == (
        "error: this is a bug of sdcoreml: ZeroDivisionError: ours; please open an issue with that"
        f" file, after removing what is private in it: {log}\n"
    )
    text = log.read_text()
    assert "Traceback (most recent call last)" in text
    assert "in failing" in text or "raise error" in text


def test_terminated_from_outside_is_said_and_has_its_code() -> None:
    code = (
        "import os, signal, sys, sdcoreml.doctor.cli as c\n"
        "class A:\n"
        "    def run(self, args):\n"
        "        try:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "        finally:\n"
        "            print('cleaned up', file=sys.stderr)\n"
        "c.parse = lambda argv: A()\n"
        "sys.exit(c.main([]))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 143
    assert run.stderr == "terminated; nothing half-made was left\ncleaned up\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("words", [["explain"], ["doctor", "--select", "MEM", "--json"]])
def test_an_output_that_is_full_is_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "sdcoreml", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr == "error: the output did not fit: no space left where it goes\n"


def test_an_output_that_is_closed_is_no_fault() -> None:
    command = f"exec {sys.executable} -m doctor doctor --select MEM >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


HOSTILE = "a\x1b[31mred\nerror: all is well\x1b]0;title\x07"
SHOWN = "a\\x1b[31mred\\nerror: all is well\\x1b]0;title\\x07"


def test_a_name_that_would_steer_the_terminal_is_shown_on_one_line() -> None:
    run = sdcoreml("convert", HOSTILE)
    assert (
        run.stderr
        == f"error: {SHOWN}: no such file or folder; give the folder of a diffusers model\n"
    )


@pytest.mark.parametrize("words", [["inspect"], ["doctor", "--select", "MOD"], ["verify"]])
def test_no_command_lets_a_name_steer_the_terminal(words: list[str]) -> None:
    run = sdcoreml(*words, HOSTILE)
    assert "red" in run.stdout + run.stderr
    assert "\x1b" not in run.stdout + run.stderr


def test_without_a_place_for_errors_they_do_not_go_into_the_data() -> None:
    command = f"exec {sys.executable} -m doctor inspect --json /nonexistent/model 2>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert json.loads(done.stdout)["kind"] == "unknown"
