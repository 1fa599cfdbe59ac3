from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.families import (
    PROGRAMS,
    padding,
    programs_of,
    refuse,
)
from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.layout import Model, read_model
from sdcoreml.convert.programs.options import parse_options
from sdcoreml.ground.errors import UnsupportedError
from tests.convert.stand_ins import write_model

END = "<|endoftext|>"


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return read_model(write_model(tmp_path / "cat"))


def vae(model: Model, family: Family, **config: Any) -> Mapping[str, Any]:
    """Return the options of both VAE programs, for a model of this family and VAE config."""
    component = replace(model.components["vae"], config=config)
    changed = replace(model, family=family, components={**model.components, "vae": component})
    decoder, encoder = (part for part in programs_of(changed) if part.source == "vae")
    assert decoder.options == encoder.options
    return decoder.options


def special(folder: Path, pad: object) -> Path:
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"pad_token": pad, "eos_token": {"content": "<|endoftext|>", "lstrip": False}})
    )
    return folder


class TestPartsOf:
    def test_sd1_needs_nothing_particular(self, model: Model) -> None:
        assert [(part.program, part.source, part.options) for part in programs_of(model)] == [
            ("text_encoder", "text_encoder", {}),
            ("unet", "unet", {}),
            ("vae_decoder", "vae", {}),
            ("vae_encoder", "vae", {}),
        ]

    @pytest.mark.parametrize(
        ("family", "programs"),
        [
            (Family.SDXL, ["text_encoder", "text_encoder_2", "unet"]),
            (Family.SDXL_REFINER, ["text_encoder_2", "unet"]),
        ],
    )
    def test_sdxl_reads_the_states_before_the_last_block(
        self, model: Model, family: Family, programs: list[str]
    ) -> None:
        parts = programs_of(replace(model, family=family))
        assert [part.program for part in parts][:-2] == programs
        for part in parts:
            if part.program.startswith("text_encoder"):
                assert part.options == {"text_states": "penultimate"}

    def test_a_velocity_is_to_be_turned_into_noise(self, model: Model) -> None:
        changed = replace(model, scheduler={"prediction_type": "v_prediction"})
        (unet,) = (part for part in programs_of(changed) if part.program == "unet")
        assert unet.options == {"prediction": "v_prediction"}

    def test_a_pad_token_of_its_own_is_put_back(self, model: Model) -> None:
        special(model.path / "tokenizer", "a")
        (text,) = (part for part in programs_of(model) if part.program == "text_encoder")
        assert text.options == {"pad_id": 0}

    def test_only_the_tokenizers_config_says_what_pads(self, model: Model) -> None:
        config = model.path / "tokenizer" / "tokenizer_config.json"
        config.write_text(json.dumps({"pad_token": "a"}))
        (model.path / "tokenizer" / "special_tokens_map.json").unlink(missing_ok=True)
        (text,) = (part for part in programs_of(model) if part.program == "text_encoder")
        assert text.options == {"pad_id": 0}
        special(model.path / "tokenizer", "<|endoftext|>")  # which outranks it
        (text,) = (part for part in programs_of(model) if part.program == "text_encoder")
        assert text.options == {}

    def test_a_file_that_is_not_unpacked_pads_as_its_family(self, model: Model) -> None:
        drafted = replace(model, path=model.path / "not there", family=Family.SD2_V)
        (text,) = (part for part in programs_of(drafted) if part.program == "text_encoder")
        assert text.options == {"pad_id": 0}
        (text,) = (
            part
            for part in programs_of(replace(drafted, family=Family.SD1))
            if part.program == "text_encoder"
        )
        assert text.options == {}

    def test_a_controlled_unet_beside_the_plain_one(self, model: Model) -> None:
        parts = programs_of(model, ["controlled_unet"])
        assert (parts[-1].program, parts[-1].source) == ("controlled_unet", "unet")
        assert "unet" in [part.program for part in parts]

    def test_no_controlled_unet_for_sdxl(self, model: Model) -> None:
        with pytest.raises(UnsupportedError, match="no app drives a ControlNet of Stable Diff"):
            programs_of(replace(model, family=Family.SDXL), ["controlled_unet"])

    def test_sdxl_pads_its_second_encoder_with_another_token(self, model: Model) -> None:
        changed = replace(model, family=Family.SDXL)
        second = model.path / "tokenizer_2"
        second.mkdir()
        vocabulary = {"!": 0, "<|startoftext|>": 1, "<|endoftext|>": 2}
        (second / "vocab.json").write_text(json.dumps(vocabulary))

        def pads(token: str) -> Mapping[str, Any]:
            special(second, token)
            (part,) = (p for p in programs_of(changed) if p.program == "text_encoder_2")
            return part.options

        assert pads("!") == {"text_states": "penultimate"}
        assert pads("<|endoftext|>") == {"text_states": "penultimate", "pad_id": 2}

    @pytest.mark.parametrize("program", ["safety_checker", "unet_refiner"])
    def test_what_the_runtimes_do_not_run_with_this_family(
        self, model: Model, program: str
    ) -> None:
        family = Family.SDXL if program == "safety_checker" else Family.SD1
        with pytest.raises(UnsupportedError, match=f"images of {family.value}; leave --"):
            programs_of(replace(model, family=family), [program])

    def test_an_optional_program_of_a_component_that_is_not_there(self, model: Model) -> None:
        with pytest.raises(UnsupportedError, match="no safety_checker in this folder; add it"):
            programs_of(model, ["safety_checker"])
        with pytest.raises(UnsupportedError, match="no refiner in this folder"):
            programs_of(replace(model, family=Family.SDXL), ["unet_refiner"])

    def test_a_controlnet_is_a_program_of_its_own(self, model: Model) -> None:
        net = replace(model, components={"controlnet": model.components["unet"]})
        assert [(part.program, part.source) for part in programs_of(net)] == [
            ("controlnet", "controlnet")
        ]

    def test_every_option_is_one_that_the_builders_know(self, model: Model) -> None:
        special(model.path / "tokenizer", "a")
        changed = replace(model, scheduler={"prediction_type": "v_prediction"})
        for family in PROGRAMS:
            for part in programs_of(replace(changed, family=family)):
                parse_options(part.options)


class TestVae:
    def test_the_scale_of_sd_is_what_the_apps_apply(self, model: Model) -> None:
        assert vae(model, Family.SD1, scaling_factor=0.18215) == {}
        assert vae(model, Family.SD1, scaling_factor=0.2) == {"runtime_scale": 0.18215}

    def test_sdxl_overflows_float16_unless_it_says_otherwise(self, model: Model) -> None:
        assert vae(model, Family.SDXL, scaling_factor=0.13025) == {"precision": "fp32"}
        assert vae(model, Family.SDXL, scaling_factor=0.13025, force_upcast=False) == {}


class TestPadding:
    @pytest.mark.parametrize("pad", ["<|endoftext|>", {"content": "<|endoftext|>"}])
    def test_the_end_token_is_what_the_apps_pad_with(self, model: Model, pad: object) -> None:
        assert padding(special(model.path / "tokenizer", pad), END) is None

    def test_another_one_is_named_by_its_id(self, model: Model) -> None:
        assert padding(special(model.path / "tokenizer", {"content": "<|startoftext|>"}), END) == 3

    @pytest.mark.parametrize("pad", [None, 3, "not in the vocabulary", {}])
    def test_nonsense_says_nothing(self, model: Model, pad: object) -> None:
        assert padding(special(model.path / "tokenizer", pad), END) is None
        assert padding(model.path / "nowhere", END) is None


class TestRefuse:
    @pytest.mark.parametrize("family", PROGRAMS)
    def test_families_with_programs(self, family: Family) -> None:
        assert refuse(family, Task.TEXT_TO_IMAGE, Path("m")) is None

    @pytest.mark.parametrize(
        ("task", "channels"), [(Task.INPAINTING, 9), (Task.INSTRUCT, 8), (Task.DEPTH, 5)]
    )
    def test_a_task_that_the_apps_cannot_run(self, task: Task, channels: int) -> None:
        assert str(refuse(Family.SD1, task, Path("m"))) == (
            f"m: this is Stable Diffusion 1.x ({task.value}), which does not run: its UNet"
            f" takes {channels} channels, and the apps provide 4; convert a text-to-image model"
        )
        other = str(refuse(Family.SD1, Task.OTHER, Path("m")))
        assert "does not run: the apps provide 4 channels to its UNet" in other

    @pytest.mark.parametrize("family", [Family.SD3, Family.FLUX])
    def test_families_without(self, family: Family) -> None:
        said = str(refuse(family, Task.OTHER, Path("m")))
        assert f"this is {family.value}, which is not supp" in said

    def test_another_family_is_called_what_it_calls_itself(self) -> None:
        said = str(refuse(Family.UNKNOWN, Task.OTHER, Path("m"), "KolorsPipeline"))
        assert "another family of models (KolorsPipeline), which is not supported" in said
        said = str(refuse(Family.UNKNOWN, Task.OTHER, Path("m")))
        assert "another family of models, which is not supported" in said

    def test_why_a_known_family_is_not_among_them(self) -> None:
        said = str(refuse(Family.SD3, Task.OTHER, Path("m")))
        assert re.search(r"not supported: .*normalizes .* SD 3\.5 does; conv", said)
