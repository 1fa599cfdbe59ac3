from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.jobs.manifest import MadeIn
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.models.layout import read_model
from sdcoreml.convert.models.vocabulary import vocabulary_folder
from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands import convert
from sdcoreml.doctor.commands.convert import (
    configure,
    convert_watched,
    provenance,
    read_jobs,
    run,
    sample,
    tell,
)
from sdcoreml.doctor.commands.convert_summary import Converted
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UnsupportedError
from sdcoreml.ground.events import Event, silent
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.convert.models.test_single_file import original, save
from tests.convert.stand_ins import MADE_IN, StandIn
from tests.doctor.commands.cluster_stand_in import SIZE
from tests.doctor.commands.test_inspect import unpacked
from tests.envs.kept.test_store import finished


class TestSample:
    def test_it_is_made_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        vocabulary_folder()  # or the first on this machine would also say that it brings it
        said: list[Event] = []
        assert sample(said.append) == sample(said.append) == Path("build/sample")
        assert [event.text for event in said] == ["make the sample model"]
        assert [path.name for path in Path("build").iterdir()] == ["sample"]

    def test_an_older_one_is_made_anew(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        index = sample(silent) / "model_index.json"
        new = index.read_bytes()
        index.write_bytes(new.replace(b"sdcoreml sample 3", b"sdcoreml sample 2"))
        (index.parent / "unet" / "left_over.bin").touch()
        assert (sample(silent) / "model_index.json").read_bytes() == new
        assert not (index.parent / "unet" / "left_over.bin").exists()

    def test_a_model_of_somebody_is_not_replaced_by_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("build/sample").mkdir(parents=True)
        for name in ("model_index.json", "notes.txt"):
            Path("build/sample", name).write_text("{}")
        with pytest.raises(BadInputError, match=r"build/sample/notes\.txt: was not written"):
            sample(silent)
        assert Path("build/sample/model_index.json").read_text() == "{}"

    def test_half_a_sample_never_has_its_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("build").mkdir()
        Path("build/sample").write_text("somebody's file")
        with pytest.raises(BadInputError, match="exists and is not the output of an earlier run"):
            sample(silent)
        assert [path.name for path in Path("build").iterdir()] == ["sample"]


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
        (("--clip-skip", "9"), "text_encoder: clip skip 9 is not possible with 3 blocks"),
        (("--size", "512x512", "--size", "520x512"), "unet: a latent image of 65x64, for 520x512"),
    ):
        args = parser.parse_args([str(model), *words])
        with pytest.raises(UnsupportedError, match=said):
            run(args)


def test_wrong_usage_is_said_before_a_file_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("vocab.json", "{}"), ("merges.txt", "")):
        (tmp_path / name).write_text(text)
    file = save(tmp_path / "m.safetensors", original("sd1"))
    words = ("--tokenizer", str(tmp_path), "--name", "x", "--output", "out")
    assert main(["convert", str(file), *words]) == 2
    said = capsys.readouterr().err
    assert "leave --name out" in said
    assert len(said.splitlines()) == 1, "no step was begun"
    assert {path.name for path in tmp_path.iterdir()} == {
        *("vocab.json", "merges.txt", "m.safetensors")
    }


def test_a_bad_model_is_refused_before_an_environment_is_built(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    configure(parser)
    args = parser.parse_args([str(tmp_path / "nope"), "--toolchain", "never-looked-at"])
    with pytest.raises(SdcoremlError, match="nope: no such file or folder"):
        run(args)


@pytest.mark.slow
def test_a_conversion_tells_how_far_its_folders_are(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    configure(parser)
    args = parser.parse_args([str(unpacked(tmp_path)), "--size", "64x64", "--size", "128x128"])
    args.into = tmp_path
    model = read_model(args.model)
    told: list[Event] = []
    shop = Workshop(runner=StandIn(size=SIZE), toolchain=MADE_IN)
    folders = convert_watched(read_jobs(args, model), shop, told.append)
    names = [str(folder) for folder in folders]
    kinds = [event.kind for event in told if event.kind in ("folders", "begin", "end")]
    assert kinds == ["folders", "begin", "end", "end"]
    assert [event.text for event in told if event.kind == "end"] == names
    (expected,) = (event.data for event in told if event.kind == "folders")
    sizes = {one["folder"]: one["bytes"] for one in expected}  # type: ignore[attr-defined]
    assert list(sizes) == names
    assert min(sizes.values()) == max(sizes.values()) > 2 * (2_199_268 + 1_399_879)
    (begun,) = (event.data for event in told if event.kind == "begin")
    assert begun == names


def test_a_manifest_says_what_made_it(tmp_path: Path) -> None:
    made = replace(finished(tmp_path / ("a" * 16), "5ea1"), drift=True)
    assert provenance(made, load_toolchain("tested")) == MadeIn(
        name="tested",
        seal="5ea1",
        lock="10cc",
        target="linux-x86_64",
        python="3.10.10",
        tested_python="3.10.10",
        drift=True,
    )


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    configure(parser)
    return parser.parse_args(words)


def test_a_plan_is_made_in_place_of_a_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def keep(args: argparse.Namespace, *more: object) -> int:
        asked.append((args.model, *more))
        return 7

    monkeypatch.setattr(convert, "plan", keep)
    monkeypatch.setattr(convert, "convert", keep)
    monkeypatch.setattr(convert, "tell", lambda made, *, as_json: made + as_json)
    assert run(parsed("./cat", "--plan")) == 7
    assert asked == [(Path("cat"),)]
    assert run(parsed("./cat", "--json"), find_none) == 8
    assert run(parsed("./cat"), find_none) == 7
    assert asked[1:] == [(Path("cat"), find_none)] * 2


def find_none() -> None: ...


def test_the_index_is_for_all_that_the_conversion_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(convert, "plan", lambda _: seen.append(os.environ.get("PIP_INDEX_URL")))
    monkeypatch.setenv("PIP_INDEX_URL", "https://usual.invalid")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://usual.invalid")
    run(parsed("./cat", "--plan"))
    run(parsed("./cat", "--plan", "--index", "https://i.invalid/simple"))
    assert seen == ["https://usual.invalid", "https://i.invalid/simple"]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_refusal_is_a_verdict_for_who_reads_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    def refuse(_: object) -> int:
        raise BadInputError("no model", where="cat", remedy="give one")

    monkeypatch.setattr(convert, "plan", refuse)
    with pytest.raises(BadInputError, match="no model"):
        run(parsed("./cat", "--plan", *(["--json"] if as_json else [])))
    out = capsys.readouterr().out
    if not as_json:
        assert out == ""
        return
    said = json.loads(out)
    verdict = {"can": "no", "code": None, "remedy": "give one"}
    assert said == {"schema": 1, "verdict": verdict, "results": []}


def test_what_was_made_is_printed_before_a_folder_that_was_not_installed_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = Converted(manifests={}, loaded={})
    assert tell(made, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["results"] == []
    assert tell(made, as_json=False) == 0
    assert capsys.readouterr().out == "\n"
    withheld = replace(made, withheld={Path("out"): BadInputError("is taken", where="there")})
    with pytest.raises(BadInputError, match="there: is taken"):
        tell(withheld, as_json=False)
    assert capsys.readouterr().out == "\n"
