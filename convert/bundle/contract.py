"""The exact contents of a folder that Mochi Diffusion and Apple's Swift package can load.

This project calls both of them apps or runtimes: Mochi Diffusion runs models through Apple's
package. The Swift code finds inputs and outputs by name or by position
(apple/ml-stable-diffusion, swift/StableDiffusion/pipeline). The names of files must be spelt
exactly as here, since a disk may be case-sensitive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.spec.model import DataType, Model, TensorType

NAMES: Mapping[str, str] = {
    "text_encoder": "TextEncoder",
    "text_encoder_2": "TextEncoder2",
    "unet": "Unet",
    "controlled_unet": "ControlledUnet",
    "unet_refiner": "UnetRefiner",
    "vae_decoder": "VAEDecoder",
    "vae_encoder": "VAEEncoder",
    "safety_checker": "SafetyChecker",
}
"""Maps each component to the stem of its package in the folder."""

PACKAGE, COMPILED = ".mlpackage", ".mlmodelc"

FILES: Mapping[str, tuple[str, ...]] = {
    COMPILED: ("coremldata.bin", "metadata.json", "model.mil", "weights/weight.bin"),
    PACKAGE: (
        "Manifest.json",
        "Data/com.apple.CoreML/model.mlmodel",
        "Data/com.apple.CoreML/weights/weight.bin",
    ),
}
"""Maps the suffix of a program's folder to the files in that folder; the weight file comes last."""

HALVED = ("unet", "controlled_unet", "unet_refiner")
"""Components that the runtimes also accept in two halves; they prefer halves to the whole."""

HALVES: Mapping[str, tuple[str, str]] = {
    NAMES[component]: (f"{NAMES[component]}Chunk1", f"{NAMES[component]}Chunk2")
    for component in HALVED
}
"""Maps the stem of a program to the stems of its halves."""

KNOWN = (
    *NAMES.values(),
    *(half for halves in HALVES.values() for half in halves),
    *("TextEncoderT5", "MultiModalDiffusionTransformer", "MultilingualTextEncoderProjection"),
)
"""All program names that the Swift sources look for, spelt as there; the last three are SD3's."""

UNETS = ("Unet", "UnetChunk1", "ControlledUnet", "ControlledUnetChunk1")
"""Programs by which Mochi Diffusion recognises a folder; it searches them in this order."""

FIRST_MACOS: Mapping[int, str] = {6: "12", 7: "13", 8: "14", 9: "15"}
"""Maps a specification version to the first macOS that loads models of that version."""

XL_MACOS = "14"
"""The first macOS that runs SDXL: older ones never finish loading it, or the app crashes."""

IN_FIRST_HALF = frozenset({"sample", "time_ids", "text_embeds"})
"""UNet inputs whose descriptions the Swift package reads; in a halved UNet, from the first half."""

RESIDUAL = "additional_residual_"
"""The prefix of a ControlNet's outputs; a ControlledUnet has inputs of the same names."""

CHECKED_PICTURE, SEEN_PICTURE = 512, 224
"""Side lengths, in pixels, of the safety checker's inputs `images` and `clip_input`."""

CHECKED_IMAGES = (1, CHECKED_PICTURE, CHECKED_PICTURE, 3)
"""The shape of `images`; the Swift package sends a placeholder of this shape for every model."""

CONCEPTS = 17
"""The number of concepts that the safety checker scores."""

REFINER_TIME_IDS, BASE_TIME_IDS = 5, 6
"""Numbers of `time_ids` per image, by which Swift code tells SDXL's refiner and base apart."""

XL_POOLED = 1280
"""The width of `text_embeds`, an output of SDXL's second text encoder and an input of its UNet."""

UNET_INPUTS = ("sample", "timestep", "encoder_hidden_states")
"""The inputs that the runtimes look up by name in every UNet and every ControlNet."""

CONTROL_INPUT = "controlnet_cond"
"""The ControlNet input that takes the picture to follow."""

TEXT_STATES, TEXT_STATES_XL = "last_hidden_state", "hidden_embeds"
"""Names of the text encoder's output that the UNet takes: for SD 1.x and 2.x, and for SDXL."""

UNREAD: Mapping[str, frozenset[str]] = {"text_encoder": frozenset({"pooled_outputs"})}
"""Maps a component to its outputs that neither runtime uses.

SD 1.x and 2.x use the hidden states of all tokens. SDXL takes the pooled state from its second
encoder: Swift's `StableDiffusionXLPipeline` takes only the hidden states of the first one.
"""

ONE_INPUT = ("TextEncoder", "TextEncoder2", "VAEDecoder", "VAEEncoder")
"""Programs that must have exactly one input, because the runtimes do not select it by name."""

ONE_OUTPUT = ("Unet", "UnetChunk2", "ControlledUnet", "VAEDecoder", "VAEEncoder")
"""Programs that must have exactly one output, because the runtimes do not select it by name."""

F16, F32 = DataType.FLOAT16, DataType.FLOAT32


def chunk_paths(package: Path) -> tuple[Path, Path]:
    """Return the paths of a package's halves, such as `UnetChunk1` and `UnetChunk2`, beside it."""
    first, second = (package.with_stem(f"{package.stem}Chunk{number}") for number in (1, 2))
    return first, second


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
