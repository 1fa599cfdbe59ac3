"""The models (as Core ML specifications) of all programs of a finished folder, by family."""

from __future__ import annotations

from collections.abc import Mapping

from sdcoreml.convert.spec.model import (
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
    """Return a model whose description has no output shapes, as is usual for ML Programs."""
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
