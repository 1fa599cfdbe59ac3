from __future__ import annotations

from sdcoreml.doctor.knowledge.dating import Asked
from sdcoreml.doctor.knowledge.phrasing import say_option, say_respelled, say_setting


def test_a_setting_is_looked_for_in_the_config() -> None:
    told = say_setting("", Asked(name="in_channels", owner="UNet2DConditionModel"))
    assert told["skew"].startswith("diffusers keeps in_channels of UNet2DConditionModel in its")
    assert told["skew"].endswith("pass it on to the code that ran")
    assert told["cure"] == ".config.in_channels in place of .in_channels"
    assert told["confidence"] == "likely"


def test_an_option_of_from_pretrained_is_of_another_release() -> None:
    told = say_option("diffusers", "painter", Asked(name="ink", owner="UNet.__init__"))
    assert "which painter gives it, and hands it on to UNet: diffusers is too new" in told["skew"]
    assert told["cure"] == "the diffusers that painter was made for, or a newer painter"
    nobody = say_option("diffusers", "", Asked(name="ink", owner="UNet.__init__"))
    assert nobody["cure"] == "the diffusers that the code was written for"


def test_a_name_in_other_capitals_is_misspelled() -> None:
    told = say_respelled("diffusers", "", "FLUXPipeline", "FluxPipeline")
    assert "no release of diffusers has FLUXPipeline, and it is called FluxPipeline" in told["skew"]
    assert told["cure"].startswith("FluxPipeline in it")
