from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest

from sdcoreml.convert.bundle import ports as required
from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.bundle.fit import Called, check_controlnet, check_programs, folder_faults
from sdcoreml.convert.programs.options import Runtime
from sdcoreml.convert.spec.model import Model
from sdcoreml.convert.spec.reader import read_package
from tests.convert.folder_models import F16, F32, REFINER, SD, UNET, UNET_INPUTS, XL, Port, model
from tests.convert.stand_ins import model_of, write_stand_in


def faults(models: Mapping[str, Model]) -> list[tuple[str, str]]:
    return [(Path(fault.where).name, fault.what) for fault in check_programs(models, Path("cat"))]


@pytest.mark.parametrize("models", [SD, XL, REFINER], ids=["SD", "XL", "refiner"])
def test_a_sound_folder_has_no_fault(models: Mapping[str, Model]) -> None:
    assert faults(models) == []


def test_sdxl_needs_the_encoders_whose_states_its_unet_takes() -> None:
    without = {name: part for name, part in XL.items() if name != "text_encoder"}
    assert faults(without) == [("TextEncoder", "missing")]


def test_order_of_ports_is_free() -> None:
    swapped = replace(UNET.description, inputs=UNET.description.inputs[::-1])
    assert faults({**SD, "unet": replace(UNET, description=swapped)}) == []


@pytest.mark.parametrize(
    ("component", "changed", "expected"),
    [
        (
            "vae_decoder",
            model([("z", (1, 4, 64, 64), F16)], [("image", (1, 3, 512, 512), F32)]),
            [
                (
                    "VAEDecoder",
                    (
                        "input z [1, 4, 64, 96] float16 or float32 expected,"
                        " found [1, 4, 64, 64] float16"
                    ),
                ),
                (
                    "VAEDecoder",
                    (
                        "output image [1, 3, 512, 768] float32 expected,"
                        " found [1, 3, 512, 512] float32"
                    ),
                ),
            ],
        ),
        (
            "vae_encoder",
            model([("z", (1, 3, 512, 768), F16)], [("latent", (1, 8, 64, 96), F16)]),
            [
                ("VAEEncoder", "input x [1, 3, 512, 768] float16 or float32 is missing (found: z)"),
                ("VAEEncoder", "unexpected input z"),
                (
                    "VAEEncoder",
                    ("output latent [1, 8, 64, 96] float32 expected, found [1, 8, 64, 96] float16"),
                ),
            ],
        ),
        (
            "unet",
            model(UNET_INPUTS, [("noise_pred", (2, 4, 64, 96), F32), ("more", (1,), F32)]),
            [("Unet", "unexpected output more")],
        ),
        (
            "text_encoder",
            model(
                [("input_ids", (1, 77), F32)],
                [("last_hidden_state", (1, 77, 1024), F32), ("pooled_outputs", (1, 768), F32)],
            ),
            [
                (
                    "TextEncoder",
                    (
                        "output last_hidden_state [1, 77, 768] float32 expected,"
                        " found [1, 77, 1024] float32"
                    ),
                )
            ],
        ),
    ],
)
def test_what_the_runtime_would_stumble_over(
    component: str, changed: Model, expected: list[tuple[str, str]]
) -> None:
    assert faults({**SD, component: changed}) == expected


def test_missing_programs_are_named() -> None:
    without = {name: part for name, part in SD.items() if name != "vae_encoder"}
    assert faults(without) == [("VAEEncoder", "missing")]
    assert faults({}) == [("Unet", "the folder has no UNet")]


def half(inputs: Mapping[str, tuple[int, ...]], output: str) -> Model:
    ports = (required.Port(name=name, shape=shape, dtypes=(F32,)) for name, shape in inputs.items())
    result = required.Port(name=output, shape=(1, 4), dtypes=(F32,))
    return model_of(required.Interface(inputs=tuple(ports), outputs=(result,)))


def test_what_describes_a_model_is_in_the_first_half_of_a_pair(tmp_path: Path) -> None:
    """Apple's Swift code reads these inputs from the first half only."""
    pair = chunk_paths(tmp_path / "Unet.mlpackage")
    described = {"sample": (2, 4, 64, 96), "time_ids": (2, 6)}
    write_stand_in(pair[1], half({"between": (1, 4), **described}, "noise_pred"))

    def misplaced(inputs: Mapping[str, tuple[int, ...]]) -> list[tuple[str, str]]:
        write_stand_in(pair[0], half(inputs, "between"))
        found = list(folder_faults({"unet": pair}, tmp_path, {}))
        rmtree(pair[0])
        return [(Path(item.where).name, item.what) for item in found if "half" in item.what]

    assert misplaced(described) == []
    assert misplaced({"timestep": (2,)}) == [
        ("UnetChunk1.mlpackage", "input sample is in the second half only"),
        ("UnetChunk1.mlpackage", "input time_ids is in the second half only"),
    ]


def test_packages_that_were_read_are_not_read_again(tmp_path: Path) -> None:
    package = tmp_path / "Unet.mlpackage"
    write_stand_in(package, half({"sample": (2, 4, 64, 96)}, "noise_pred"))
    read = read_package(package)
    read.model_path.write_bytes(b"not a model")
    written = {"unet": package}
    (fault,) = folder_faults(written, tmp_path, {})
    assert "not a Core ML model" in fault.what
    known = [item.what for item in folder_faults(written, tmp_path, {"unet": (read,)})]
    assert known
    assert fault.what not in known


def controlled(*residuals: str) -> Model:
    extra: list[Port] = [(name, (2, 320, 64, 96), F16) for name in residuals]
    return model([*UNET_INPUTS, *extra], [("noise_pred", (2, 4, 64, 96), F32)])


def test_a_controlled_unet_takes_numbered_residuals() -> None:
    sound = controlled("additional_residual_1", "additional_residual_0")
    assert faults({**SD, "controlled_unet": sound}) == []
    gap = controlled("additional_residual_0", "additional_residual_2")
    assert [what for _, what in faults({**SD, "controlled_unet": gap})] == [
        (
            "input additional_residual_1 [2, 4, 64, 96] float16 or float32 is missing (found:"
            " additional_residual_2)"
        ),
        "unexpected input additional_residual_2",
    ]


def test_a_controlled_unet_without_residuals_is_none() -> None:
    (fault,) = faults({**SD, "controlled_unet": UNET})
    assert fault[0] == "ControlledUnet"
    assert fault[1].startswith("input additional_residual_0")


def test_a_unet_that_is_none() -> None:
    assert faults({"unet": SD["vae_decoder"]}) == [
        ("Unet", "its inputs are not those of a UNet ('sample')")
    ]


def test_what_no_app_asks_for_beside_this_unet() -> None:
    assert faults({**SD, "unet_refiner": REFINER["unet"]}) == [
        ("UnetRefiner", "no app uses this program with this UNet")
    ]


def test_a_refiner_beside_its_base_must_be_of_its_size() -> None:
    assert faults({**XL, "unet_refiner": REFINER["unet"]}) == []
    (fault, *_) = faults({**XL, "unet_refiner": XL["unet"]})
    assert fault == (
        "UnetRefiner",
        (
            "input encoder_hidden_states [2, 1280, 1, 77] float16 or float32 expected,"
            " found [2, 2048, 1, 77] float16"
        ),
    )


NET_INPUTS: list[Port] = [*UNET_INPUTS, ("controlnet_cond", (2, 3, 512, 768), F16)]


def net(*residuals: Port) -> Model:
    return model(NET_INPUTS, list(residuals))


def net_faults(found: Model, unet: Model | None = None) -> list[str]:
    return [fault.what for fault in check_controlnet(found, Path("Canny"), unet)]


class TestCheckControlnet:
    FIRST: Port = ("additional_residual_0", (2, 320, 64, 96), F32)
    SECOND: Port = ("additional_residual_1", (2, 320, 64, 96), F32)

    def test_a_sound_one(self) -> None:
        unet = controlled("additional_residual_0", "additional_residual_1")
        assert net_faults(net(self.FIRST, self.SECOND), unet) == []

    def test_half_precision_would_be_read_as_nonsense(self) -> None:
        half: Port = ("additional_residual_0", (2, 320, 64, 96), F16)
        assert net_faults(net(half)) == ["output additional_residual_0 float32 is missing"]

    def test_its_unet_takes_just_what_it_gives(self) -> None:
        unet = controlled("additional_residual_0", "additional_residual_1")
        assert net_faults(net(self.FIRST), unet) == [
            "the UNet takes additional_residual_1 [2, 320, 64, 96], found nothing"
        ]
        other: Port = ("additional_residual_1", (2, 640, 64, 96), F32)
        assert net_faults(net(self.FIRST, other), unet) == [
            "the UNet takes additional_residual_1 [2, 320, 64, 96], found [2, 640, 64, 96]"
        ]
        assert net_faults(net(self.FIRST, self.SECOND), controlled("additional_residual_0")) == [
            "the UNet does not take additional_residual_1"
        ]

    def test_another_program(self) -> None:
        assert net_faults(UNET) == [
            "input controlnet_cond is missing",
            "output additional_residual_0 float32 is missing",
        ]


FOR_COMFYUI = {
    "sample": (1, 4, 64, 64),
    "timestep": (1,),
    "encoder_hidden_states": (1, 77, 2048),
    "time_ids": (1, 6),
    "text_embeds": (1, 1280),
}
NOT_FOR_COMFYUI = "its inputs are not those of a UNet for ComfyUI"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"time_ids": (1, 5)}, []),
        ({"sample": (1, 4, 64)}, [NOT_FOR_COMFYUI]),
        ({"text_embeds": None}, [NOT_FOR_COMFYUI]),
        ({"encoder_hidden_states": (1, 2048, 1, 77)}, [NOT_FOR_COMFYUI]),
        ({"time_ids": (1, 7)}, ["input time_ids [1, 6] float16 expected, found [1, 7] float16"]),
        ({"time_ids": None}, ["unexpected input text_embeds"]),
    ],
    ids=str,
)
def test_damaged_inputs_for_comfyui_are_a_fault(
    changes: Mapping[str, tuple[int, ...] | None], expected: list[str]
) -> None:
    inputs = {**FOR_COMFYUI, **changes}
    unet = model(
        [(name, shape, F16) for name, shape in inputs.items() if shape],
        [("noise_pred", (1, 4, 64, 64), F32)],
    )
    found = check_programs({"unet": unet}, Path("cat"), Called(runtime=Runtime.COMFYUI))
    assert [fault.what for fault in found] == expected
