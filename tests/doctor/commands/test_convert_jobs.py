from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from convert.opening import open_model
from convert.proof import Judge
from doctor.commands.convert_jobs import jobs_of, recipe_of
from doctor.commands.convert_options import declare, pixels
from doctor.errors import UsageError
from tests.convert.stand_ins import write_model


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    declare(parser)
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
