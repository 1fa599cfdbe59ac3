from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from convert.errors import ConvertError, NoSpaceError, WorkerError
from convert.job import open_model, plan
from convert.proof import Judge
from convert.worker import Outcome
from doctor.check import Family, Finding, Fix, Status
from doctor.cli import main
from doctor.commands.convert import (
    configure,
    explained,
    goal_of,
    jobs_of,
    pixels,
    recipe_of,
    remark,
    require_able,
    run,
    sample,
    summary,
    verdicts,
)
from doctor.engine import Report, Result, Verdict
from doctor.errors import UsageError
from doctor.facts import Job as Goal
from envs.events import Emit, Event, silent
from tests.convert.stand_ins import write_model


def result(name: str, family: Family, what: str, remedy: str = "") -> Result:
    fix = Fix(title=remedy) if remedy else None
    finding = Finding(status=Status.ERROR, what=what, why="it cannot work", fix=fix)
    return Result(id=name, family=family, title="", status=Status.ERROR, findings=(finding,))


def report(*results: Result, answer: str = "no") -> Report:
    verdict = Verdict(
        goal="convert",
        answer=answer,
        sentence="this machine cannot convert cat",
        because=tuple(item.id for item in results),
    )
    return Report(toolchain="tested", target="x", results=results, verdicts=(verdict,))


DISK = result("DSK001", Family.DISK, "1 GB free, 8 GB needed", "free 7 GB")
PYTHON = result("PY001", Family.PYTHON, "no Python 3.10")


class TestRequireAble:
    @pytest.mark.parametrize("answer", ["yes", "unknown"])
    def test_only_a_no_stops(self, answer: str) -> None:
        require_able(report(answer=answer))

    def test_a_disk_too_small_is_its_own_kind(self) -> None:
        with pytest.raises(NoSpaceError) as caught:
            require_able(report(DISK))
        assert str(caught.value) == "1 GB free, 8 GB needed (DSK001); free 7 GB"

    def test_anything_else_is_not(self) -> None:
        with pytest.raises(ConvertError) as caught:
            require_able(report(PYTHON, DISK))
        assert not isinstance(caught.value, NoSpaceError)
        assert str(caught.value) == (
            "no Python 3.10 (PY001); it cannot work; 1 more, `sdcoreml doctor` lists them"
        )


def test_the_goal_has_the_size_of_the_image(tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path / "cat"))
    assert goal_of(plan(model, tmp_path / "out", "ORIGINAL", {})) == Goal(
        goal="convert",
        model=str(tmp_path / "cat"),
        output=str(tmp_path / "out"),
        attention="ORIGINAL",
        height=128,
        width=128,
    )


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    configure(parser)
    return parser.parse_args(["cat", *words])


class TestJobsOf:
    def test_each_size_is_a_folder_and_knows_those_before_it(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        first, second = jobs_of(
            arguments("--size", "512x512", "--size", "512x768"), model, {}, Judge()
        )
        assert (first.output, second.output) == (
            Path("models/cat_split-einsum_512x512"),
            Path("models/cat_split-einsum_512x768"),
        )
        assert (second.options.width, second.options.height) == (64, 96)
        assert (first.siblings, second.siblings) == ((), (first.output,))

    def test_what_was_asked_for_reaches_the_job(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        words = ("--controlled", "--clip-skip", "2", "--target", "macOS14")
        (job,) = jobs_of(arguments(*words, "--attention", "split-einsum-v2"), model, {}, Judge())
        options = job.options
        assert (options.controlled, options.clip_skip, options.target) == (True, 2, "macOS14")
        assert options.attention == "SPLIT_EINSUM_V2"
        assert (options.width, options.height) == (16, 16)

    def test_one_output_for_two_sizes_is_wrong_usage(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        words = ("--size", "512x512", "--size", "512x768", "-o", "out")
        with pytest.raises(UsageError, match="--output names one folder"):
            jobs_of(arguments(*words), model, {}, Judge())

    def test_compression_by_options_or_by_a_file(self, tmp_path: Path) -> None:
        assert recipe_of(arguments()) is None
        assert recipe_of(arguments("--bits", "4", "--method", "uniform")) == {
            "method": "uniform",
            "bits": 4,
        }
        file = tmp_path / "recipe.json"
        file.write_text('{"bits": 6, "layers": {"conv_in.weight": 8}}')
        assert recipe_of(arguments("--recipe", str(file))) == {
            "bits": 6,
            "layers": {"conv_in.weight": 8},
        }

    @pytest.mark.parametrize(
        ("content", "extra"), [("[]", ()), ("{", ()), ('{"bit": 6}', ()), ("{}", ("--bits", "6"))]
    )
    def test_what_is_no_recipe(self, tmp_path: Path, content: str, extra: tuple[str, ...]) -> None:
        file = tmp_path / "recipe.json"
        file.write_text(content)
        with pytest.raises(UsageError):
            recipe_of(arguments("--recipe", str(file), *extra))

    @pytest.mark.parametrize("text", ["512", "512x", "x512", "512x510", "axb", "-8x8"])
    def test_a_size_that_is_none(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError, match="is not WIDTHxHEIGHT"):
            pixels(text)


def test_the_summary_names_the_worst_figure_of_each_mode() -> None:
    checked = {
        "outputs": [
            {"output": "a", "mode": "fp32", "psnr": 144.0},
            {"output": "b", "mode": "fp32", "psnr": 131.26},
            {"output": "a", "mode": "fp16", "psnr": 70.0},
        ],
        "audit": {"matched": 52},
    }
    toolchain = {"name": "tested", "python": "3.10.13", "tested_python": "3.10.10", "drift": True}
    manifest = {"programs": {"TextEncoder": {"checked": checked}}, "toolchain": toolchain}
    assert summary(Path("models/cat"), manifest).splitlines() == [
        "models/cat: 1 programs, each checked against its module",
        "  TextEncoder  131.3 dB in fp32, 70.0 dB in fp16; 52 weights equal",
        "  toolchain    tested, Python 3.10.13 (drift: tested with 3.10.10)",
    ]
    unchecked = {"outputs": [], "audit": {"matched": 52}, "unchecked": "light has no torch"}
    partly = {**manifest, "programs": {"TextEncoder": {"checked": unchecked}}}
    assert summary(Path("models/cat"), partly).splitlines()[:2] == [
        "models/cat: 1 programs, weights audited, numbers not checked",
        "  TextEncoder  light has no torch; 52 weights equal",
    ]
    exact = {**manifest, "toolchain": {**toolchain, "drift": False}}
    assert "drift" not in summary(Path("models/cat"), exact)


def test_a_remark_says_whose_word_stands_for_the_figures() -> None:
    checked = {"audit": {"matched": 52}}
    assert remark(checked) == "52 weights equal"
    certificate = {"certificate": {"toolchain": "tested", "date": "2026-11-24"}}
    assert remark({**checked, **certificate}) == ("52 weights equal, graph certified on 2026-11-24")
    fidelity = {"fidelity": [{"psnr": 47.0}, {"psnr": 45.12}]}
    assert remark({**checked, **fidelity}) == "compressed weights leave 45.1 dB"


def test_each_verdict_is_said_once_and_differences_are_named() -> None:
    equal = {"compiled": {"verdict": "equal to what Xcode makes", "differences": []}}
    other = {"compiled": {"verdict": "differs", "differences": ["model.mil: 3 ops"]}}
    manifests = {
        Path("a"): {"programs": {"Unet": equal, "VAEDecoder": equal}},
        Path("b"): {"programs": {"Unet": other}},
    }
    assert verdicts(manifests) == (
        "equal to what Xcode makes",
        "differs",
        "Unet: model.mil: 3 ops",
    )


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


def test_a_dead_childs_words_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    log = "OSError: Error no file named diffusion_pytorch_model.bin found in directory unet."
    with pytest.raises(WorkerError), explained():
        raise WorkerError("build: died", log)
    assert "diffusion_pytorch_model.bin" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["cat", "--sample"]])
def test_a_model_or_the_sample_not_both(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", *arguments]) == 2
    assert capsys.readouterr().err.startswith("error: give a model folder or --sample")


def test_a_bad_model_is_refused_before_an_environment_is_built(tmp_path: Path) -> None:
    args = argparse.Namespace(
        model=tmp_path / "nope", sample=False, toolchain="never-looked-at", json=False
    )
    with pytest.raises(ConvertError, match="nope: no such folder"):
        run(args)
