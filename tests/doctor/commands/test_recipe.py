from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.compression.recipe import parse_recipe
from sdcoreml.convert.worker import Outcome
from sdcoreml.doctor.commands import recipe
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.events import Emit, silent
from tests.convert.stand_ins import write_model
from tests.pages import text_of

FOUND = {
    "layers": {"conv_in_weight": 6, "conv_out_weight": 4},
    "average": 4.499,
    "psnr": 41.5,
    "uniform": {"4": 35.0, "6": 47.25},
}


@dataclass
class Measuring:
    requests: list[Mapping[str, Any]] = field(default_factory=list)

    def run(self, task: str, request: Mapping[str, Any], _: Emit = silent) -> Outcome:
        assert task == "sensitivity"
        assert Path(request["weights"]).exists()
        self.requests.append(request)
        return Outcome(value=FOUND, peak_memory=0)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    recipe.configure(parser)
    return parser.parse_args(words)


def test_a_recipe_is_written_that_convert_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, file = write_model(tmp_path / "cat"), tmp_path / "recipe.json"
    runner = Measuring()
    args = arguments(str(model), "--target-bits", "4.5", "-o", str(file))
    monkeypatch.chdir(tmp_path)
    assert recipe.run(args, runner) == 0
    made = parse_recipe(json.loads(file.read_text()), "unet")
    assert made.layers == FOUND["layers"]
    assert (made.bits, parse_recipe(json.loads(file.read_text()), "text_encoder").bits) == (16, 8)
    (request,) = runner.requests
    assert (request["component"], request["bits"]) == ("unet", 4.5)
    assert capsys.readouterr().out == (
        f"{file}: 2 layers of the unet, 4.50 bits on average\n"
        "on noise at a few latent pixels its output keeps 41.5 dB of the model's; uniform 35.0"
        " dB with 4 bits, 47.25 dB with 6 bits\n"
        f"apply it with: `sdcoreml convert MODEL --recipe {file}`\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cat", "recipe.json"]


def test_a_page_shows_the_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, page = write_model(tmp_path / "cat"), tmp_path / "page.html"
    monkeypatch.chdir(tmp_path)
    args = arguments(str(model), "-o", "recipe.json", "--html", str(page))
    assert recipe.run(args, Measuring()) == 0
    said = text_of(page.read_bytes())
    assert "unet of cat" in said
    assert "conv_in_weight: 6 bits" in said
    page.write_text("mine")
    with pytest.raises(BadInputError, match="exists and is no page of sdcoreml"):
        recipe.run(args, Measuring())


def test_layers_may_have_three_bits_where_the_system_reads_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, file = write_model(tmp_path / "cat"), tmp_path / "recipe.json"
    runner = Measuring()
    monkeypatch.chdir(tmp_path)
    words = (str(model), "-o", str(file))
    assert recipe.run(arguments(*words), runner) == 0
    assert recipe.run(arguments(*words, "--target", "iOS18"), runner) == 0
    assert [request["options"]["target"] for request in runner.requests] == ["macOS13", "macOS15"]
    first, second = capsys.readouterr().out.splitlines()[2::3]
    assert first.endswith(f"--recipe {file}`")
    assert second.endswith(f"--recipe {file} --target macOS15`")


@pytest.mark.parametrize("bits", ["1", "16"])
def test_as_few_bits_as_one_and_as_many_as_there_are_can_be_asked_for(
    bits: str, tmp_path: Path
) -> None:
    model, runner = write_model(tmp_path / "cat"), Measuring()
    words = (str(model), "--target-bits", bits, "-o", str(tmp_path / "recipe.json"))
    assert recipe.run(arguments(*words), runner) == 0
    assert runner.requests[0]["bits"] == float(bits)


def test_all_that_is_asked_of_the_environment_and_kept(tmp_path: Path) -> None:
    model, file, runner = write_model(tmp_path / "cat"), tmp_path / "recipe.json", Measuring()
    words = ("--component", "text_encoder", "--bits", "6", "--target-bits", "5", "-o", str(file))
    assert recipe.run(arguments(str(model), *words), runner) == 0
    (request,) = runner.requests
    options = request["options"]
    assert {name: options[name] for name in ("attention", "target", "height", "width")} == {
        "attention": "ORIGINAL",
        "target": "macOS13",
        "height": 16,
        "width": 16,
    }
    assert request["config"] == str((model / "text_encoder/config.json").resolve())
    assert {*request} == {"component", "config", "weights", "options", "bits"}
    assert (request["component"], request["bits"]) == ("text_encoder", 5.0)
    assert file.read_text() == (
        '{\n "bits": 6,\n "method": "kmeans",\n "programs": {\n  "text_encoder": {\n   "bits": 16,'
        '\n   "layers": {\n    "conv_in_weight": 6,\n    "conv_out_weight": 4\n   }\n  }\n }\n}\n'
    )


@pytest.mark.parametrize("bits", ["0.5", "0.99", "16.01", "17"])
def test_bits_that_cannot_be_are_wrong_usage(bits: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--target-bits: from 1 to 16"):
        recipe.run(arguments(str(tmp_path), "--target-bits", bits), Measuring())


def test_a_program_that_the_model_has_not_is_wrong_usage(tmp_path: Path) -> None:
    model = write_model(tmp_path / "cat")
    args = arguments(str(model), "--component", "text_encoder_2", "-o", str(tmp_path / "r.json"))
    with pytest.raises(UsageError, match=r"--component: .*cat has text_encoder, unet"):
        recipe.run(args, Measuring())


def test_where_no_file_can_be_nothing_is_measured(tmp_path: Path) -> None:
    model, runner = write_model(tmp_path / "cat"), Measuring()
    with pytest.raises(
        BadInputError, match="is a folder; name a file, in this folder or elsewhere"
    ):
        recipe.run(arguments(str(model), "-o", str(tmp_path)), runner)
    assert not runner.requests


def test_the_folder_of_a_recipe_is_made(tmp_path: Path) -> None:
    model, file = write_model(tmp_path / "cat"), tmp_path / "new" / "recipe.json"
    assert recipe.run(arguments(str(model), "-o", str(file)), Measuring()) == 0
    assert [path.name for path in file.parent.iterdir()] == ["recipe.json"]


def test_what_stood_there_outlives_a_measuring_that_fails(tmp_path: Path) -> None:
    model, file = write_model(tmp_path / "cat"), tmp_path / "recipe.json"
    before = '{\n "bits": 8,\n "method": "kmeans"\n}\n'
    file.write_text(before)

    class Failing(Measuring):
        def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
            super().run(task, request, emit)
            raise BadInputError("no")

    with pytest.raises(BadInputError, match="no"):
        recipe.run(arguments(str(model), "-o", str(file)), Failing())
    assert file.read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cat", "recipe.json"]


def test_a_file_of_somebody_is_not_replaced(tmp_path: Path) -> None:
    model, file, runner = write_model(tmp_path / "cat"), tmp_path / "recipe.json", Measuring()
    file.write_text('{"soup": "leek"}')
    with pytest.raises(
        BadInputError, match=r"json: exists and is no recipe that this command wrote; choose"
    ):
        recipe.run(arguments(str(model), "-o", str(file)), runner)
    assert not runner.requests
    file.unlink()
    for _ in range(2):  # but its own is
        assert recipe.run(arguments(str(model), "-o", str(file)), runner) == 0
