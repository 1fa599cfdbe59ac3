from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.opening import open_model, with_refiner
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.programs.options import Attention, Precision, Prediction, Target
from sdcoreml.doctor.commands.convert_jobs import jobs_of, policy_of, recipe_of
from sdcoreml.doctor.commands.convert_options import declare
from sdcoreml.doctor.commands.convert_values import image_size, positive_number, precision, target
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.convert.stand_ins import StandIn, finish, job_of, write_controlnet, write_model, write_xl

SIX = {"method": "kmeans", "bits": 6}
SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    declare(parser)
    return parser.parse_args(["cat", *words])


class TestJobsOf:
    def test_each_size_is_a_folder(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        first, second = jobs_of(arguments("--size", "512x512", "--size", "512x768"), model)
        assert (first.output, second.output) == (
            Path("models/cat-split-einsum_512x512"),
            Path("models/cat-split-einsum_512x768"),
        )
        assert (second.options.width, second.options.height) == (64, 96)

    def test_a_name_takes_the_place_of_the_models_own(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        (job,) = jobs_of(arguments("--name", "fluffy"), model)
        assert job.output == Path("models/fluffy-split-einsum_128x128")
        with pytest.raises(UsageError, match="leave --name out"):
            jobs_of(arguments("--name", "fluffy", "--output", str(tmp_path / "out")), model)
        for wrong in ("a/b", "", ".hidden"):
            with pytest.raises(SystemExit):
                arguments("--name", wrong)

    @pytest.mark.parametrize("output", ["cat/out", "cat", "."])
    def test_a_result_lies_apart_from_the_model(self, tmp_path: Path, output: str) -> None:
        path = write_model(tmp_path / "cat")
        args = arguments("-o", str(tmp_path / output))
        args.model = path
        with pytest.raises(BadInputError, match="is inside the model's folder, or contains it"):
            jobs_of(args, open_model(path))
        args.output = tmp_path / "cat-out"
        assert jobs_of(args, open_model(path))[0].output == args.output

    def test_what_was_asked_for_reaches_the_job(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        words = ("--controlled", "--chunk", "--clip-skip", "2", "--target", "iOS17")
        more = ("--tokens", "60", "--prediction-type", "v_prediction", "--pad-id", "0")
        scale = ("--latent-scale", "0.5", "--precision", "vae=fp32", "--precision", "fp16")
        (job,) = jobs_of(arguments(*words, *more, *scale, "--attention", "split-einsum-v2"), model)
        assert job.options == Options(
            attention=Attention.SPLIT_EINSUM_V2,
            height=16,
            width=16,
            tokens=60,
            clip_skip=2,
            target=Target.MACOS14,
            controlled=True,
            chunk=True,
            precision={"vae": Precision.FP32, "all": Precision.FP16},
            prediction=Prediction.VELOCITY,
            pad_id=0,
            latent_scale=0.5,
        )

    def test_nothing_said_is_every_default(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        (job,) = jobs_of(arguments(), model)
        assert job.options == Options(attention=Attention.SPLIT_EINSUM, height=16, width=16)
        assert (job.redo, job.beside) == (None, None)

    def test_each_attention_with_each_size(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        sizes = ("--size", "512x512", "--size", "512x768")
        attentions = ("--attention", "original", "--attention", "SPLIT_EINSUM")
        jobs = jobs_of(arguments(*sizes, *attentions), model)
        assert [job.output.name for job in jobs] == [
            "cat-original_512x512",
            "cat-original_512x768",
            "cat-split-einsum_512x512",
            "cat-split-einsum_512x768",
        ]

    def test_what_is_said_twice_is_made_once(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        words = ("--size", "512x512", "--attention", "original")
        (job,) = jobs_of(arguments(*words, *words), model)
        assert job.output.name == "cat-original_512x512"

    def test_a_part_made_anew_has_the_folders_own_options_unless_told(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        before = ("--attention", "original", "--tokens", "60", "--target", "macOS14")
        (job,) = jobs_of(arguments("-o", str(tmp_path / "out"), *before), model)
        finish(job, StandIn(size=replace(SIZE, tokens=60)))
        words = ("-o", str(tmp_path / "out"), "--components", "unet, controlled_unet")
        (anew,) = jobs_of(arguments(*words, "--bits", "6"), model)
        recipe = {"method": "kmeans", "bits": 6}
        assert anew.options == replace(job.options, recipe=recipe, controlled=True)
        assert anew.redo == frozenset({"unet", "controlled_unet"})

    def test_a_result_lies_apart_from_the_refiner_too(self, tmp_path: Path) -> None:
        refiner = write_xl(tmp_path / "refiner", refiner=True)
        model = with_refiner(open_model(write_xl(tmp_path / "xl")), refiner)
        args = arguments("--refiner", str(refiner), "-o", str(refiner / "unet"))
        with pytest.raises(BadInputError, match="is inside the model's folder, or contains it"):
            jobs_of(args, model)

    def test_parts_that_stay_are_not_made_otherwise_by_what_is_said_of_new_ones(
        self, tmp_path: Path
    ) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        output = ("-o", str(tmp_path / "out"))

        def made(*words: str) -> Options:
            (job,) = jobs_of(arguments(*output, *words), model)
            finish(job, StandIn(size=SIZE))
            return job.options

        made("--precision", "text_encoder=fp32")
        options = made("--components", "vae", "--precision", "fp32")
        assert options.precision == {"text_encoder": "fp32", "vae": "fp32"}
        assert made("--components", "unet", "--bits", "6").recipe == SIX
        assert made("--components", "vae", "--precision", "vae=fp16").precision == {
            "text_encoder": "fp32",
            "vae": "fp16",
        }
        assert made("--components", "text_encoder").recipe is None
        assert made("--components", "controlled_unet").recipe == SIX, "one weight file for both"
        with pytest.raises(
            UsageError, match=r"text_encoder, unet of .* in different ways; say how"
        ):
            made("--components", "text_encoder,unet")
        words = ("--components", "text_encoder,unet", "--precision", "text_encoder=fp16")
        assert made(*words, "--bits", "6").recipe == SIX

    @pytest.mark.parametrize(
        ("words", "what"),
        [(("--size", "128x192"), "128x128 pixels"), (("--tokens", "60"), "77 tokens")],
    )
    def test_one_part_of_another_size_than_the_rest(
        self, tmp_path: Path, words: tuple[str, ...], what: str
    ) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        output = ("-o", str(tmp_path / "out"))
        (job,) = jobs_of(arguments(*output), model)
        finish(job, StandIn(size=SIZE))
        with pytest.raises(UsageError, match=f"out that stay are for {what}; for others convert"):
            jobs_of(arguments(*output, "--components", "unet", *words), model)
        same = ("--size", "128x128", "--tokens", "77")
        (anew,) = jobs_of(arguments(*output, "--components", "unet", *same), model)
        assert anew.options == job.options

    def test_a_controlnet_has_the_shape_of_what_it_is_for(self, tmp_path: Path) -> None:
        net = open_model(write_controlnet(tmp_path / "canny"))
        plain = job_of(open_model(write_model(tmp_path / "cat")), tmp_path / "out", "ORIGINAL")
        finish(plain, StandIn(size=SIZE))
        words = ("--for", str(tmp_path / "out"))
        with pytest.raises(BadInputError, match="no ControlledUnet in this folder to take"):
            jobs_of(arguments(*words), net)
        steered = replace(plain, options=replace(plain.options, controlled=True, clip_skip=2))
        finish(steered, StandIn(size=SIZE))
        (job,) = jobs_of(arguments(*words), net)
        assert (job.options.height, job.options.attention) == (16, "ORIGINAL")
        with pytest.raises(UsageError, match=r"the UNet of .*out is for 128x128 pixels; leave"):
            jobs_of(arguments(*words, "--size", "128x192"), net)
        assert (job.options.controlled, job.beside) == (False, tmp_path / "out")

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("--components", "unet"), "--components needs --output, the finished folder to mend"),
            (("--for", "out"), "--for is for a ControlNet"),
            (
                ("--precision", "vea=fp32"),
                "--precision: this model has no component vea",
            ),
            (
                ("--attention", "original", "--attention", "split-einsum", "-o", "out"),
                "--output names one folder",
            ),
        ],
    )
    def test_what_does_not_go_together(
        self, tmp_path: Path, words: tuple[str, ...], message: str
    ) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        with pytest.raises(UsageError, match=message):
            jobs_of(arguments(*words), model)

    def test_one_output_for_two_sizes_is_wrong_usage(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        words = ("--size", "512x512", "--size", "512x768", "-o", "out")
        with pytest.raises(UsageError, match="--output names one folder"):
            jobs_of(arguments(*words), model)

    def test_compression_by_options_or_by_a_file(self, tmp_path: Path) -> None:
        assert recipe_of(arguments()) is None
        assert recipe_of(arguments("--bits", "4", "--method", "uniform")) == {
            "method": "uniform",
            "bits": 4,
        }
        assert recipe_of(arguments("--bits", "3", "--group-size", "16")) == {
            "method": "kmeans",
            "bits": 3,
            "group_size": 16,
        }
        file = tmp_path / "recipe.json"
        file.write_text('{"bits": 6, "layers": {"conv_in.weight": 8}}')
        assert recipe_of(arguments("--recipe", str(file))) == {
            "bits": 6,
            "layers": {"conv_in.weight": 8},
        }

    def test_groups_are_of_palettes(self) -> None:
        with pytest.raises(UsageError, match=r"(^|: )--group-size needs --bits"):
            recipe_of(arguments("--group-size", "16"))

    @pytest.mark.parametrize(
        ("content", "extra"),
        [
            ("[]", ()),
            ("{", ()),
            ('{"bit": 6}', ()),
            ('{"group_size": 0}', ()),
            ("{}", ("--bits", "6")),
            ("{}", ("--group-size", "16")),
        ],
    )
    def test_what_is_no_recipe(self, tmp_path: Path, content: str, extra: tuple[str, ...]) -> None:
        file = tmp_path / "recipe.json"
        file.write_text(content)
        with pytest.raises(UsageError):
            recipe_of(arguments("--recipe", str(file), *extra))

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--method", "linear"), "^--method linear says how, not to how many bits; add --bits"),
            (("--recipe", "r", "--method", "linear"), "bits and groups; leave --method out$"),
            (("--recipe", "/nowhere/r"), "^/nowhere/r: no such file; give the file"),
        ],
    )
    def test_half_a_recipe_is_said(self, words: tuple[str, ...], told: str) -> None:
        with pytest.raises(UsageError, match=told):
            recipe_of(arguments(*words))

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--tokens", "0"), "--tokens: '0' is not a whole number above 0"),
            (("--workers", "0"), "--workers: '0' is not a whole number above 0"),
            (("--workers=-1",), "--workers: '-1' is not a whole number above 0"),
            (("--workers", "x"), "--workers: 'x' is not a whole number above 0"),
            (("--pad-id", "many"), "--pad-id: 'many' is not a whole number of 0 or more"),
        ],
    )
    def test_numbers_that_are_none(
        self, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            arguments(*words)
        assert told in capsys.readouterr().err

    @pytest.mark.parametrize("text", ["fp8", "vae=", "vae=half", "=int8"])
    def test_a_precision_that_is_none(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError, match="is not fp16 or fp32, nor NAME=fp32"):
            precision(text)

    @pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "much"])
    def test_a_scale_that_is_none(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError, match="is not a number above 0"):
            positive_number(text)

    def test_systems_by_either_name(self) -> None:
        assert [target(name) for name in ("macOS13", "ios16", "IOS18", "macos26")] == [
            "macOS13",
            "macOS13",
            "macOS15",
            "macOS26",
        ]
        with pytest.raises(argparse.ArgumentTypeError, match="'macOS12' is not one of macOS13,"):
            target("macOS12")

    @pytest.mark.parametrize("text", ["0x8", "512", "512x", "x512", "512x510", "axb", "-8x8"])
    def test_a_size_that_is_none(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError, match="is not WIDTHxHEIGHT"):
            image_size(text)

    @pytest.mark.parametrize("text", ["64x64000", "2056x512", "512x2056"])
    def test_a_size_that_no_app_draws(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError, match="at most 2048 pixels a side"):
            image_size(text)
        assert image_size("2048x2048") == (2048, 2048)


@pytest.mark.parametrize(
    ("toolchain", "said", "certified", "reason"),
    [
        ("tested", {"sample": False, "full": False}, True, ""),
        ("tested", {"sample": True, "full": False}, False, ""),
        ("tested", {"sample": False, "full": True}, False, ""),
        ("light", {"sample": True, "full": False}, True, "the toolchain light has no torch"),
    ],
)
def test_the_samples_programs_are_run_where_there_is_torch(
    toolchain: str, said: dict[str, bool], *, certified: bool, reason: str
) -> None:
    policy = policy_of(argparse.Namespace(**said), load_toolchain(toolchain))
    assert (bool(policy.certificates), policy.reason) == (certified, reason)
