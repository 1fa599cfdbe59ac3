from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.worker import Outcome
from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.convert import (
    configure,
    explained,
    run,
    sample,
)
from sdcoreml.ground.errors import SdcoremlError, UnsupportedError, WorkerError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.exits import run_to_exit_code
from tests.doctor.commands.test_inspect import unpacked


@dataclass
class Maker:
    """A `Runner` that makes a sample, or dies on the way."""

    dies: bool = False
    calls: int = 0

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        self.calls += 1
        assert task == "sample"
        emit(Event(kind="note", text="made"))
        folder = Path(request["path"])
        (folder / "model_index.json").touch()
        if self.dies:
            raise WorkerError("sample: died")
        return Outcome(value=str(folder), peak_memory=1)


class TestSample:
    def test_it_is_made_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        maker = Maker()
        assert sample(maker, silent) == sample(maker, silent) == Path("build/sample")
        assert maker.calls == 1
        assert [path.name for path in Path("build").iterdir()] == ["sample"]

    def test_half_a_sample_never_has_its_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(WorkerError):
            sample(Maker(dies=True), silent)
        assert not Path("build/sample").exists()
        assert sample(Maker(), silent).is_dir()


def test_a_dead_childs_words_are_explained_after_the_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = "OSError: Error no file named diffusion_pytorch_model.bin found in directory unet."

    def dying() -> int:
        with explained("light"):
            raise WorkerError("build: died", log=log)

    assert run_to_exit_code(dying) == WorkerError.exit_code
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert (first, second.split()[0]) == ("error: build: died", "cause")


@pytest.mark.parametrize("arguments", [[], ["cat", "--sample"]])
def test_a_model_or_the_sample_not_both(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", *arguments]) == 2
    assert capsys.readouterr().err.startswith(
        "error: give one model, a folder or a file, or --sample"
    )


def test_what_a_builder_would_refuse_is_said_before_an_environment_is_built(
    tmp_path: Path,
) -> None:
    parser = argparse.ArgumentParser()
    configure(parser)
    model = unpacked(tmp_path)
    for words, said in (
        (("--clip-skip", "9"), "text_encoder: clip skip 9 is not for a model of 3 blocks"),
        (("--size", "512x512", "--size", "520x512"), "unet: a latent image of 65x64, for 520x512"),
    ):
        args = parser.parse_args([str(model), *words])
        with pytest.raises(UnsupportedError, match=said):
            run(args)


def test_a_bad_model_is_refused_before_an_environment_is_built(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    configure(parser)
    args = parser.parse_args([str(tmp_path / "nope"), "--toolchain", "never-looked-at"])
    with pytest.raises(SdcoremlError, match="nope: no such file or folder"):
        run(args)
