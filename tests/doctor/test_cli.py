from __future__ import annotations

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from doctor import cli


def sdcoreml(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


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
    code = "import sys, doctor.cli as c; c.parse(['doctor']); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = run.stdout.split()
    assert "doctor.commands.doctor" in modules
    assert "doctor.commands.convert" not in modules
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


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 9, 18)])
def test_an_older_python_gets_one_clear_line(
    version: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("doctor", run_name="__main__")
    assert caught.value.code == (
        f"error: this is Python {version[0]}.{version[1]}, sdcoreml needs 3.10 or newer; install"
        " one (python.org, Homebrew, pyenv) and run it again"
    )


def test_an_older_python_gets_as_far_as_that_line() -> None:
    for name in ("__init__", "__main__"):
        source = (Path(cli.__file__).with_name(f"{name}.py")).read_text(encoding="ascii")
        ast.parse(source, feature_version=(3, 4))
