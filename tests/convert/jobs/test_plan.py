from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.jobs.plan import (
    Job,
    default_options,
    folder_name,
    net_name,
    plan,
    require_buildable,
)
from sdcoreml.convert.models.layout import read_model
from sdcoreml.convert.programs.options import Attention, Precision, Target
from sdcoreml.ground.errors import UnsupportedError
from tests.convert.models.folders import write_json
from tests.convert.stand_ins import UNET, job_of, write_controlnet, write_model, write_xl
from tools.certify.models import CLIP_L, SD1_UNET, VAE


class TestPlan:
    def test_the_size_is_the_models_own(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat", {**UNET, "sample_size": [16, 24]}))
        job = job_of(model, None, "ORIGINAL")
        assert (job.options.height, job.options.width) == (16, 24)
        assert job.output == Path("models/cat-original_192x128")

    def test_a_name_keeps_clear_of_mochis_separator(self) -> None:
        options = Options(attention=Attention.SPLIT_EINSUM_V2, height=64, width=96)
        name = folder_name("my_best_cat", options)
        assert name == "my-best-cat-split-einsum-v2_768x512"

    def test_mochis_swap_button_finds_the_same_attention_and_bits(self) -> None:
        """Mochi compares folders' names up to the first `_` only (GenerationController.swift)."""
        cases = [
            Options(attention=attention, height=height, width=width, recipe=recipe)
            for attention in (Attention.ORIGINAL, Attention.SPLIT_EINSUM)
            for recipe in (None, {"bits": 6})
            for height, width in ((64, 96), (96, 64))
        ]
        before = [folder_name("cat", one).partition("_")[0] for one in cases]
        assert before[::2] == before[1::2]
        assert len({*before}) == 4

    def test_another_name_may_be_given(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "v1-5-pruned-emaonly"))
        named = plan(model, None, default_options(model), name="my_cat")
        assert named.output == Path("models/my-cat-split-einsum_128x128")
        net = open_model(write_controlnet(tmp_path / "net"))
        named = plan(net, tmp_path / "out", default_options(net), name="edges")
        assert [part.stem for part in named.parts] == ["Edges-split-einsum_512x512"]

    def test_a_controlnet_goes_where_apps_keep_them_by_a_name_of_its_own(
        self, tmp_path: Path
    ) -> None:
        net = open_model(write_controlnet(tmp_path / "lllyasviel_sd-controlnet-canny"))
        job = job_of(net, None, "ORIGINAL")
        name = "LllyasvielSdControlnetCanny-original_512x512"
        assert job.output == Path("controlnet") / name
        assert [part.stem for part in job.parts] == [name]
        six = replace(job.options, recipe={"bits": 6})
        assert net_name("canny", six) == "Canny-original-6-bit_512x512"

    @pytest.mark.parametrize(
        ("recipe", "end"),
        [
            (None, ""),
            ({"method": "kmeans", "bits": 6}, "-6-bit"),
            ({"method": "uniform", "bits": 6}, "-6-bit-uniform"),
            ({"method": "linear", "bits": 8}, "-8-bit-linear"),
            ({"bits": 3, "group_size": 16}, "-3-bit-g16"),
            ({"method": "uniform", "bits": 4, "group_size": 32}, "-4-bit-uniform-g32"),
            ({"bits": 6, "layers": {"conv_in.weight": 8}}, "-mixed-bit"),
            ({"programs": {"unet": {"bits": 4}}}, "-mixed-bit"),
        ],
    )
    def test_a_name_says_how_weights_are_stored(
        self, recipe: dict[str, Any] | None, end: str
    ) -> None:
        options = Options(attention=Attention.ORIGINAL, height=64, width=64, recipe=recipe)
        assert folder_name("cat", options) == f"cat-original{end}_512x512"

    def test_only_unets_come_in_halves(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        job = job_of(model, None, "ORIGINAL", chunk=True, controlled=True)
        assert {part.program for part in job.parts if job.halves(part)} == {
            "unet",
            "controlled_unet",
        }
        whole = job_of(model, None, "ORIGINAL")
        assert not any(whole.halves(part) for part in whole.parts)

    def test_programs_to_make_anew_by_their_own_or_their_components_name(
        self, tmp_path: Path
    ) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        job = job_of(model, None, "ORIGINAL", controlled=True)
        names = {"unet": ["unet", "controlled_unet"], "vae_encoder": ["vae_encoder"]}
        for name, programs in names.items():
            anew = replace(job, redo=frozenset({name}))
            assert [part.program for part in anew.parts] == programs


class TestRequireRunnable:
    def test_a_batch_of_one_is_for_sd_without_controlnets(self, tmp_path: Path) -> None:
        sd, xl = write_model(tmp_path / "sd"), write_xl(tmp_path / "xl")
        net = write_controlnet(tmp_path / "net")
        assert job_of(open_model(sd), None, "ORIGINAL", batch=1).options.batch == 1
        cases: tuple[tuple[Path, dict[str, Any], str], ...] = (
            (sd, {"controlled": True}, "a ControlNet and its UNet"),
            (net, {}, "a ControlNet and its UNet"),
            (xl, {}, "SDXL's UNet"),
        )
        for path, choices, what in cases:
            with pytest.raises(UnsupportedError, match=f"apps always call {what} with"):
                job_of(open_model(path), None, "ORIGINAL", batch=1, **choices)

    def test_only_sdxl_is_told_a_size(self, tmp_path: Path) -> None:
        xl = open_model(write_xl(tmp_path / "xl"))
        assert job_of(xl, None, "ORIGINAL", states_own_size=True).options.states_own_size
        sd = open_model(write_model(tmp_path / "sd"))
        with pytest.raises(UnsupportedError, match="leave --own-size out"):
            job_of(sd, None, "ORIGINAL", states_own_size=True)

    def test_float32_is_not_compressed(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        recipe = {"bits": 6}
        with pytest.raises(UnsupportedError, match="unet cannot be compressed in float32"):
            job_of(model, None, "ORIGINAL", recipe=recipe, precision={"unet": Precision.FP32})
        job = job_of(model, None, "ORIGINAL", recipe=recipe, precision={"vae": Precision.FP32})
        assert job.options.recipe == recipe

    def test_a_recipe_must_suit_the_target(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        recipe = {"bits": 3, "group_size": 16}
        with pytest.raises(UnsupportedError, match=r"cat: Core ML reads 3-bit .* --target macOS15"):
            job_of(model, None, "ORIGINAL", recipe=recipe)
        job = job_of(model, None, "ORIGINAL", recipe=recipe, target=Target.MACOS15)
        assert job.options.recipe == recipe

    def test_so_must_what_it_says_of_a_single_program(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        recipe = {"bits": 8, "programs": {"unet": {"layers": {"conv_in_weight": 3}}}}
        with pytest.raises(UnsupportedError, match="reads 3-bit codes"):
            job_of(model, None, "ORIGINAL", recipe=recipe)


class TestRequireBuildable:
    def write(self, folder: Path, **clip: object) -> Path:
        path = write_model(folder, SD1_UNET)
        for name, config in (("text_encoder", {**CLIP_L, **clip}), ("vae", VAE)):
            (path / name / "config.json").write_text(json.dumps(config))
        return path

    def job(self, path: Path, **choices: Any) -> Job:
        # Faults of weights do not matter here.
        return job_of(replace(read_model(path), faults=()), None, "ORIGINAL", **choices)

    def test_a_usual_model(self, tmp_path: Path) -> None:
        require_buildable(self.job(self.write(tmp_path / "cat")))

    def test_it_says_where_and_looks_at_every_part(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "cat", hidden_act="relu")
        with pytest.raises(UnsupportedError) as caught:
            require_buildable(self.job(path))
        assert str(caught.value) == (
            f"{path / 'text_encoder'}: config.json has hidden_act='relu'; this converter builds"
            " gelu, quick_gelu"
        )

    def test_what_is_asked_for_counts(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "cat")
        with pytest.raises(
            UnsupportedError, match="cat/text_encoder: clip skip 13 is not possible"
        ):
            require_buildable(self.job(path, clip_skip=13))
        with pytest.raises(UnsupportedError, match="cat/unet: a latent image of 65x64"):
            require_buildable(self.job(path, width=65))

    def test_what_stays_need_not_follow_a_recipe(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "cat")
        choices = {"recipe": {"bits": 6}, "precision": {"all": Precision.FP32}}
        self.job(path, redo=frozenset({"vae"}), **choices)
        with pytest.raises(UnsupportedError, match="text_encoder, unet cannot be compressed in fl"):
            self.job(path, **choices)

    def test_what_is_kept_as_it_is_does_not(self, tmp_path: Path) -> None:
        job = self.job(self.write(tmp_path / "cat", hidden_act="relu"))
        require_buildable(replace(job, redo=frozenset({"vae"})))


def test_a_schedule_that_no_app_has_is_refused_unless_it_is_accepted(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "cat")
    write_json(folder / "scheduler" / "scheduler_config.json", {"num_train_timesteps": 500})
    model = read_model(folder)
    with pytest.raises(UnsupportedError, match=r"500 steps of noise.*--accept-schedule"):
        job_of(model, None, "ORIGINAL")
    job = job_of(model, None, "ORIGINAL", accept_schedule=True)
    assert job.options.accept_schedule
