"""The inputs and outputs that the runtimes require of each program.

They follow from a UNet's dimensions, and have the names of `convert.bundle.contract`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sdcoreml.convert.bundle.contract import (
    CHECKED_IMAGES,
    CONCEPTS,
    REFINER_TIME_IDS,
    SEEN_PICTURE,
    TEXT_STATES,
    TEXT_STATES_XL,
    UNET_INPUTS,
)
from sdcoreml.convert.models.family import PIXELS_PER_LATENT, Family
from sdcoreml.convert.spec.model import DataType, Model, TensorType

F16, F32 = DataType.FLOAT16, DataType.FLOAT32


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One input or output: its name, shape and the dtypes that the runtimes accept."""

    name: str
    shape: tuple[int, ...]
    dtypes: tuple[DataType, ...] = (F16, F32)

    def __str__(self) -> str:
        dtypes = " or ".join(dtype.name.lower() for dtype in self.dtypes)
        return f"{self.name} {list(self.shape)} {dtypes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The ports, that is the inputs and outputs, of one program."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """The dimensions that the programs of a folder share.

    Attributes:
        batch: rows of the UNet's inputs.
        height: the latent's.
        width: the latent's.
        features: width of the text states that the UNet takes.
        tokens: length of a prompt.
        pooled: width of SDXL's `text_embeds` and of its second text encoder; 0 for other families.
        time_ids: number of SDXL's `time_ids` for an image, 6 for the base and 5 for the refiner;
            0 for other families.
    """

    batch: int
    height: int
    width: int
    features: int
    tokens: int
    pooled: int = 0
    time_ids: int = 0

    @property
    def is_xl(self) -> bool:
        """Whether the UNet has the inputs that only SDXL's UNet has."""
        return self.pooled > 0


def interfaces(size: Dimensions) -> Mapping[str, Interface]:
    """Return the interface of each program that a folder of these dimensions must hold."""
    latent = (size.height, size.width)
    image = (PIXELS_PER_LATENT * size.height, PIXELS_PER_LATENT * size.width)
    return {
        **{name: _text_encoder(size, width) for name, width in text_widths(size).items()},
        "unet": _unet(size, latent),
        "vae_decoder": Interface(
            inputs=(Port(name="z", shape=(1, 4, *latent)),),
            outputs=(Port(name="image", shape=(1, 3, *image), dtypes=(F32,)),),
        ),
        "vae_encoder": Interface(
            inputs=(Port(name="x", shape=(1, 3, *image)),),
            outputs=(Port(name="latent", shape=(1, 8, *latent), dtypes=(F32,)),),
        ),
    }


def optional_interfaces(size: Dimensions) -> Mapping[str, Interface]:
    """Return the interfaces of optional programs: SDXL's refiner and the safety checker.

    The refiner takes the text states of the second text encoder only.
    """
    refiner = replace(size, features=size.pooled, time_ids=REFINER_TIME_IDS)
    return {
        **({"unet_refiner": _unet(refiner, (size.height, size.width))} if size.is_xl else {}),
        "safety_checker": Interface(
            inputs=(
                Port(name="clip_input", shape=(1, 3, SEEN_PICTURE, SEEN_PICTURE)),
                Port(name="images", shape=CHECKED_IMAGES),
                Port(name="adjustment", shape=(1,)),
            ),
            outputs=(
                Port(name="filtered_images", shape=CHECKED_IMAGES, dtypes=(F32,)),
                Port(name="has_nsfw_concepts", shape=(1,), dtypes=(F32,)),
                Port(name="concept_scores", shape=(1, CONCEPTS), dtypes=(F32,)),
            ),
        ),
    }


def text_widths(size: Dimensions) -> Mapping[str, int]:
    """Return the width of the hidden states of each text encoder that the UNet needs, by name.

    SDXL's base UNet takes the states of both encoders, concatenated; the refiner's takes those of
    the second encoder only.
    """
    if not size.is_xl:
        return {"text_encoder": size.features}
    first = size.features - size.pooled
    return ({"text_encoder": first} if first else {}) | {"text_encoder_2": size.pooled}


def _text_encoder(size: Dimensions, width: int) -> Interface:
    states = TEXT_STATES_XL if size.is_xl else TEXT_STATES
    return Interface(
        inputs=(Port(name="input_ids", shape=(1, size.tokens), dtypes=(F32,)),),
        outputs=(
            Port(name=states, shape=(1, size.tokens, width), dtypes=(F32,)),
            Port(name="pooled_outputs", shape=(1, width), dtypes=(F32,)),
        ),
    )


def _unet(size: Dimensions, latent: tuple[int, int]) -> Interface:
    context = (size.batch, size.features, 1, size.tokens)
    sample, timestep, states = UNET_INPUTS
    extra = (
        (
            Port(name="time_ids", shape=(size.batch, size.time_ids)),
            Port(name="text_embeds", shape=(size.batch, size.pooled)),
        )
        if size.is_xl
        else ()
    )
    return Interface(
        inputs=(
            Port(name=sample, shape=(size.batch, 4, *latent)),
            Port(name=timestep, shape=(size.batch,)),
            Port(name=states, shape=context),
            *extra,
        ),
        outputs=(Port(name="noise_pred", shape=(size.batch, 4, *latent), dtypes=(F32,)),),
    )


def dimensions_of(unet: Model) -> Dimensions:
    """Read the dimensions from a UNet's inputs, as the Swift code does.

    Raises:
        KeyError: an input that every UNet has is missing.
        ValueError: an input has the wrong rank.
    """
    shapes = {feature.name: feature.shape for feature in unet.description.inputs}
    batch, _, height, width = shapes["sample"]
    _, features, _, tokens = shapes["encoder_hidden_states"]
    _, time_ids = shapes.get("time_ids", (batch, 0))
    _, pooled = shapes.get("text_embeds", (batch, 0))
    return Dimensions(
        batch=batch,
        height=height,
        width=width,
        features=features,
        tokens=tokens,
        pooled=pooled,
        time_ids=time_ids,
    )


WIDTHS: Mapping[int, Family] = {768: Family.SD1, 1024: Family.SD2_BASE}
"""The widths of text states by which families without SDXL's inputs are told apart."""


def family_of(inputs: Mapping[str, tuple[int, ...]]) -> Family:
    """Return the family of a UNet, or of a ControlNet, by the shapes of its inputs.

    What SD 2.x predicts does not show in them. Reduced models have widths of their own and are
    unknown.
    """
    if times := inputs.get("time_ids"):
        return Family.SDXL_REFINER if times[-1] == REFINER_TIME_IDS else Family.SDXL
    _, width, *_ = (*inputs.get("encoder_hidden_states", ()), 0, 0)
    return WIDTHS.get(width, Family.UNKNOWN)


def output_shapes(model: Model) -> Mapping[str, tuple[int, ...]]:
    """Return the shapes of the outputs of a model's main function, by name; -1 where not fixed.

    They are read from the program, because an ML Program's description omits them.
    """
    function = model.program.functions[model.description.default_function or "main"]
    wanted = set(function.block.outputs)
    return {
        output.name: tuple(-1 if size is None else size for size in output.type.shape)
        for operation in function.block.operations
        for output in operation.outputs
        if output.name in wanted and isinstance(output.type, TensorType)
    }
