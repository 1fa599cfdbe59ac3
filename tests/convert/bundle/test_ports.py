from __future__ import annotations

from sdcoreml.convert.bundle.ports import (
    dimensions_of,
    family_of,
    interfaces,
    optional_interfaces,
    output_shapes,
    text_widths,
)
from sdcoreml.convert.models.family import Family
from tests.convert.folder_models import REFINER, SD, UNET, XL


def test_dimensions_are_the_unets() -> None:
    size = dimensions_of(UNET)
    assert (size.batch, size.height, size.width, size.features) == (2, 64, 96, 768)
    assert (size.tokens, size.is_xl) == (77, False)
    assert (dimensions_of(XL["unet"]).pooled, dimensions_of(XL["unet"]).time_ids) == (1280, 6)
    assert dimensions_of(REFINER["unet"]).time_ids == 5


def test_output_shapes_come_from_the_program() -> None:
    assert output_shapes(SD["text_encoder"]) == {
        "last_hidden_state": (1, 77, 768),
        "pooled_outputs": (1, 768),
    }


def test_every_family_asks_for_one_input_where_swift_takes_the_first() -> None:
    for size in (dimensions_of(UNET), dimensions_of(XL["unet"])):
        for component in ("vae_decoder", "vae_encoder"):
            interface = interfaces(size)[component]
            assert len(interface.inputs) == len(interface.outputs) == 1


def test_sdxl_needs_the_encoders_whose_states_its_unet_takes() -> None:
    assert text_widths(dimensions_of(UNET)) == {"text_encoder": 768}
    assert text_widths(dimensions_of(XL["unet"])) == {
        "text_encoder": 768,
        "text_encoder_2": 1280,
    }
    assert text_widths(dimensions_of(REFINER["unet"])) == {"text_encoder_2": 1280}


def test_a_refiner_beside_its_base_takes_the_second_encoders_states() -> None:
    size = dimensions_of(XL["unet"])
    refiner = optional_interfaces(size)["unet_refiner"]
    assert {port.name: port.shape for port in refiner.inputs} == {
        "sample": (2, 4, 128, 128),
        "timestep": (2,),
        "encoder_hidden_states": (2, 1280, 1, 77),
        "time_ids": (2, 5),
        "text_embeds": (2, 1280),
    }
    assert "unet_refiner" not in optional_interfaces(dimensions_of(UNET))


def test_the_safety_checker_sees_one_size_whatever_the_models() -> None:
    checker = optional_interfaces(dimensions_of(UNET))["safety_checker"]
    assert [port.shape for port in checker.inputs] == [(1, 3, 224, 224), (1, 512, 512, 3), (1,)]


def test_a_family_is_told_by_what_its_unet_takes() -> None:
    assert family_of({"time_ids": (2, 6)}) is Family.SDXL
    assert family_of({"time_ids": (2, 5)}) is Family.SDXL_REFINER
    assert family_of({"encoder_hidden_states": (2, 768, 1, 77)}) is Family.SD1
    assert family_of({"encoder_hidden_states": (2, 1024, 1, 77)}) is Family.SD2_BASE
    assert family_of({"encoder_hidden_states": (2, 32, 1, 77)}) is Family.UNKNOWN
    assert family_of({}) is Family.UNKNOWN
