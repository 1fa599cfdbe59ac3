from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from convert.bundle import check_programs, dimensions_of, interfaces, output_shapes, text_widths
from convert.spec.model import (
    Block,
    DataType,
    Description,
    Feature,
    Function,
    Model,
    NamedType,
    Operation,
    Program,
    TensorType,
)

F16, F32 = DataType.FLOAT16, DataType.FLOAT32
Port = tuple[str, tuple[int, ...], DataType]


def model(inputs: list[Port], outputs: list[Port]) -> Model:
    """A model whose description leaves output shapes out, as ML Programs do."""
    results = tuple(
        NamedType(name=name, type=TensorType(dtype=dtype, shape=shape))
        for name, shape, dtype in outputs
    )
    block = Block(
        operations=(Operation(type="split", inputs={}, outputs=results),),
        outputs=tuple(name for name, _, _ in outputs),
    )
    function = Function(inputs=(), opset="CoreML6", blocks={"CoreML6": block})
    return Model(
        specification_version=7,
        description=Description(
            inputs=tuple(Feature(name=n, dtype=d, shape=s) for n, s, d in inputs),
            outputs=tuple(Feature(name=n, dtype=d) for n, _, d in outputs),
        ),
        program=Program(version=1, functions={"main": function}),
    )


UNET_INPUTS: list[Port] = [
    ("sample", (2, 4, 64, 96), F16),
    ("timestep", (2,), F16),
    ("encoder_hidden_states", (2, 768, 1, 77), F16),
]
UNET = model(UNET_INPUTS, [("noise_pred", (2, 4, 64, 96), F32)])
SD: Mapping[str, Model] = {
    "unet": UNET,
    "text_encoder": model(
        [("input_ids", (1, 77), F32)],
        [("last_hidden_state", (1, 77, 768), F32), ("pooled_outputs", (1, 768), F32)],
    ),
    "vae_decoder": model([("z", (1, 4, 64, 96), F16)], [("image", (1, 3, 512, 768), F32)]),
    "vae_encoder": model([("x", (1, 3, 512, 768), F16)], [("latent", (1, 8, 64, 96), F32)]),
}
XL: Mapping[str, Model] = {
    "unet": model(
        [
            ("sample", (2, 4, 128, 128), F16),
            ("timestep", (2,), F16),
            ("encoder_hidden_states", (2, 2048, 1, 77), F16),
            ("time_ids", (2, 6), F16),
            ("text_embeds", (2, 1280), F16),
        ],
        [("noise_pred", (2, 4, 128, 128), F32)],
    ),
    "text_encoder": model(
        [("input_ids", (1, 77), F32)],
        [("hidden_embeds", (1, 77, 768), F32), ("pooled_outputs", (1, 768), F32)],
    ),
    "text_encoder_2": model(
        [("input_ids", (1, 77), F32)],
        [("hidden_embeds", (1, 77, 1280), F32), ("pooled_outputs", (1, 1280), F32)],
    ),
    "vae_decoder": model([("z", (1, 4, 128, 128), F32)], [("image", (1, 3, 1024, 1024), F32)]),
    "vae_encoder": model([("x", (1, 3, 1024, 1024), F32)], [("latent", (1, 8, 128, 128), F32)]),
}
REFINER: Mapping[str, Model] = {
    **{name: XL[name] for name in ("text_encoder_2", "vae_decoder", "vae_encoder")},
    "unet": model(
        [
            ("sample", (2, 4, 128, 128), F16),
            ("timestep", (2,), F16),
            ("encoder_hidden_states", (2, 1280, 1, 77), F16),
            ("time_ids", (2, 5), F16),
            ("text_embeds", (2, 1280), F16),
        ],
        [("noise_pred", (2, 4, 128, 128), F32)],
    ),
}


def faults(models: Mapping[str, Model]) -> list[tuple[str, str]]:
    return [(fault.path.name, fault.what) for fault in check_programs(models, Path("cat"))]


@pytest.mark.parametrize("models", [SD, XL, REFINER], ids=["SD", "XL", "refiner"])
def test_a_sound_folder_has_no_fault(models: Mapping[str, Model]) -> None:
    assert faults(models) == []


def test_dimensions_are_the_unets() -> None:
    size = dimensions_of(UNET)
    assert (size.batch, size.height, size.width, size.features) == (2, 64, 96, 768)
    assert (size.tokens, size.is_xl) == (77, False)
    assert (dimensions_of(XL["unet"]).pooled, dimensions_of(XL["unet"]).time_ids) == (1280, 6)
    assert dimensions_of(REFINER["unet"]).time_ids == 5


def test_sdxl_needs_the_encoders_whose_states_its_unet_takes() -> None:
    assert text_widths(dimensions_of(UNET)) == {"text_encoder": 768}
    assert text_widths(dimensions_of(XL["unet"])) == {
        "text_encoder": 768,
        "text_encoder_2": 1280,
    }
    assert text_widths(dimensions_of(REFINER["unet"])) == {"text_encoder_2": 1280}
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
    assert faults({}) == [("Unet", "no UNet in the folder")]


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
        ("Unet", "the inputs are not a UNet's ('sample')")
    ]


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
