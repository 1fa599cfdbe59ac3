"""The exact contents of a folder that Mochi Diffusion and Apple's Swift package can load.

This project calls both of them apps or runtimes: Mochi Diffusion runs models through Apple's
package. The Swift code finds inputs and outputs by name or by position
(apple/ml-stable-diffusion, swift/StableDiffusion/pipeline). The names of files must be spelt
exactly as here, since a disk may be case-sensitive.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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

SD3_TRANSFORMER = "MultiModalDiffusionTransformer"
"""What Stable Diffusion 3 has in place of a UNet; nothing here builds it."""

KNOWN = (
    *NAMES.values(),
    *(half for halves in HALVES.values() for half in halves),
    *("TextEncoderT5", SD3_TRANSFORMER, "MultilingualTextEncoderProjection"),
)
"""All program names that the Swift sources look for, spelt as there; the last three are SD3's."""

UNETS = ("Unet", "UnetChunk1", "ControlledUnet", "ControlledUnetChunk1")
"""Programs by which Mochi Diffusion recognises a folder; it searches them in this order."""

FIRST_MACOS: Mapping[int, str] = {6: "12", 7: "13", 8: "14", 9: "15"}
"""Maps a specification version to the first macOS that loads models of that version."""

XL_MACOS = "14"
"""The first macOS that runs SDXL: older ones never finish loading it, or the app crashes."""


def first_macos(specification: int, *, is_xl: bool) -> str:
    """Return the first macOS that runs a model of a specification version; "" if it is unknown."""
    first = FIRST_MACOS.get(specification, "")
    return max(first, XL_MACOS, key=int) if first and is_xl else first


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


def chunk_paths(package: Path) -> tuple[Path, Path]:
    """Return the paths of a package's halves, such as `UnetChunk1` and `UnetChunk2`, beside it."""
    first, second = (package.with_stem(f"{package.stem}Chunk{number}") for number in (1, 2))
    return first, second
