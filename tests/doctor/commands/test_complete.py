from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sdcoreml.doctor import cli
from sdcoreml.doctor.commands.complete import whole_parser
from sdcoreml.doctor.commands.jobs_file import keys


@pytest.mark.slow
def test_the_version_is_asked_for_without_a_value() -> None:
    assert whole_parser().parse_args(["--version"]).version is True


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("complete") / "sdcoreml"
    done = subprocess.run(
        [sys.executable, "-m", "sdcoreml", "complete", "bash"], capture_output=True, check=True
    )
    path.write_bytes(done.stdout)
    return path


def completed(script: Path, words: Sequence[str], folder: Path) -> list[str]:
    """Return what bash offers as completions of the last word."""
    program = (
        f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1};"
        " $(complete -p sdcoreml | grep -o '_shtab[^ ]*') sdcoreml;"
        " printf '%s\n' \"${COMPREPLY[@]}\""
    )
    bare = {"PATH": "/usr/bin:/bin"}  # completing starts no program of ours
    done = subprocess.run(
        ["bash", "-c", program], cwd=folder, env=bare, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("sdcoreml", "co"), {"convert", "compile", "complete"}),
        (("sdcoreml", "convert", "--att"), {"--attention"}),
        (("sdcoreml", "convert", "--attention", "o"), {"original"}),
        (("sdcoreml", "env", "rep"), {"repair"}),
        (("sdcoreml", "doctor", "--goal", "b"), {"bundle"}),
        (("sdcoreml", "complete", "f"), {"fish"}),
        (("sdcoreml", "convert", "--vae", "mo"), {"model.safetensors", "models"}),
        (("sdcoreml", "inspect", "mo"), {"model.safetensors", "models"}),
    ],
)
def test_bash_offers_verbs_options_choices_and_paths(
    script: Path, tmp_path: Path, words: Sequence[str], offered: set[str]
) -> None:
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "models").mkdir()
    assert set(completed(script, words, tmp_path)) == offered


@pytest.mark.parametrize(
    ("shell", "said"),
    [("zsh", "#compdef sdcoreml"), ("fish", "complete -c sdcoreml"), ("bash", "complete -o")],
)
def test_each_shell_has_its_script(
    shell: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["complete", shell]) == 0
    text = capsys.readouterr().out
    assert said in text
    assert "accept-schedule" in text
    if program := shutil.which(shell):
        (tmp_path / "script").write_text(text)
        subprocess.run([program, "-n", tmp_path / "script"], check=True)


def test_the_page_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["complete", "--help"])
    assert "fish  sdcoreml complete fish > ~/.config/fish/" in capsys.readouterr().out


def test_the_words_for_completions_are_not_those_of_the_keys() -> None:
    said = {name: key.action.help for name, key in keys().items()}
    whole_parser()
    assert {name: key.action.help for name, key in keys().items()} == said
    assert "`" in f"{said['install']}"
