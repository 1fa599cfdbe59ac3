"""What ComfyUI loads: the Core ML programs of the nodes ComfyUI-CoreMLSuite 2, and their names.

The nodes list packages in `models/unet`, and tell what a UNet is by its inputs alone. Everything
else of a model (text encoders, VAE, ControlNets) they leave to ComfyUI itself. The facts are those
of coreml-diffusion 0.1.6, which the nodes convert with (its `naming.py`, `convert.py` and
`inference.py`), and of the nodes' own `nodes.py`; both are of 2026-06.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sdcoreml.convert.bundle.contract import (
    BASE_TIME_IDS,
    PACKAGE,
    REFINER_TIME_IDS,
    RESIDUAL,
    UNET_INPUTS,
)
from sdcoreml.convert.bundle.ports import F16, F32, WIDTHS, Interface, Port
from sdcoreml.convert.models.family import PIXELS_PER_LATENT, Family
from sdcoreml.convert.programs.options import EMBEDDED, GUIDANCE

FOLDER = "models/unet"
"""The folder of ComfyUI whose packages the nodes list, with those in its subfolders."""

LOADER, SAMPLERS = "Load Core ML UNet", ("Core ML Sampler", "Core ML Sampler (Advanced)")
"""The node that loads a UNet, and those that draw with what it loaded."""

TOKENS = 77
"""The length of the prompts that the nodes send; they split no longer ones."""

BATCHES = range(1, 65)
"""The batches that the converter's node offers; the nodes cut or pad what they are asked for."""

ATTENTIONS: Mapping[str, str] = {
    "SPLIT_EINSUM": "se",
    "SPLIT_EINSUM_V2": "se2",
    "ORIGINAL": "orig",
}
"""The words for the layouts of attention in names of packages."""

UNITS: Mapping[str, str] = {
    "SPLIT_EINSUM": "CPU_AND_NE",
    "SPLIT_EINSUM_V2": "CPU_AND_NE",
    "ORIGINAL": "CPU_AND_GPU",
}
"""The compute unit to choose in the loader for each layout, of the four that it offers."""

BITS = (8, 6, 4)
"""The palettes that the converter's node offers; in names, `_q` stands before them."""

OTHERS: Mapping[tuple[str, str], str] = {
    ("latent", "image"): "VAE decoder",
    ("image", "latent_moments"): "VAE encoder",
    ("input_ids", "hidden_states"): "text encoder",
}
"""Programs that coreml-diffusion converts, too, by their first input and output.

No node loads them: only its own `build_pipeline` takes them.
"""

Shapes = Mapping[str, tuple[int, ...]]


def is_for_comfyui(inputs: Shapes) -> bool:
    """Whether a program's inputs are those of a UNet for ComfyUI.

    Other apps send the text states as (B, D, 1, S), ComfyUI's nodes as (B, S, D).
    """
    return all(name in inputs for name in UNET_INPUTS) and len(inputs[UNET_INPUTS[-1]]) == len(
        ("batch", "tokens", "features")
    )


def interface(inputs: Shapes) -> Interface:
    """Return the ports that a UNet for ComfyUI must have, given what it is for.

    `inputs` are those that follow from the model's config, or the program's own if it is not known.
    They say its size, batch, width of text states, and the optional inputs that it has. Every
    input is float16: the nodes send nothing else.

    Raises:
        KeyError: an input that every UNet has is missing, or that one of them calls for.
        ValueError: an input has the wrong rank.
    """
    sample, timestep, states = UNET_INPUTS
    batch, _, height, width = inputs[sample]
    _, _, features = inputs[states]
    ports = [
        Port(name=sample, shape=(batch, 4, height, width), dtypes=(F16,)),
        Port(name=timestep, shape=(batch,), dtypes=(F16,)),
        Port(name=states, shape=(batch, TOKENS, features), dtypes=(F16,)),
    ]
    if GUIDANCE in inputs:
        ports.append(Port(name=GUIDANCE, shape=(batch, EMBEDDED), dtypes=(F16,)))
    if "time_ids" in inputs:
        _, given = inputs["time_ids"]
        ids = given if given == REFINER_TIME_IDS else BASE_TIME_IDS
        _, pooled = inputs["text_embeds"]
        ports.append(Port(name="time_ids", shape=(batch, ids), dtypes=(F16,)))
        ports.append(Port(name="text_embeds", shape=(batch, pooled), dtypes=(F16,)))
    ports += _residuals(inputs, batch)
    noise = Port(name="noise_pred", shape=(batch, 4, height, width), dtypes=(F32,))
    return Interface(inputs=tuple(ports), outputs=(noise,))


def _residuals(inputs: Shapes, batch: int) -> Iterator[Port]:
    """Yield the ports for a ControlNet's outputs, numbered from 0; the last is the mid block's.

    Their shapes depend on the model's levels, which no other port shows, but its config does.
    """
    count = sum(name.startswith(RESIDUAL) for name in inputs)
    for number in range(count):
        shape = inputs.get(f"{RESIDUAL}{number}", ())
        yield Port(name=f"{RESIDUAL}{number}", shape=(batch, *shape[1:]), dtypes=(F16,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What the name of a UNet's package says of it.

    `width` and `height` are in pixels, `attention` is a key of `ATTENTIONS`, and `storage` says how
    weights are stored, such as `q6`; it is empty for uncompressed ones.
    """

    width: int
    height: int
    batch: int
    attention: str
    is_controlled: bool = False
    storage: str = ""


def package_name(model: str, variant: Variant, loras: Iterable[str] = ()) -> str:
    """Return the name of a UNet's package without its suffix, as the converter's node spells it.

    The node takes a package of this name for what it would make, and makes nothing. Only what is
    before the first `.` counts in the name of the `model` and in those of the files of `loras`.
    """
    return f"{_spell(_stem(model), variant, loras)}_unet"


def folder_name(model: str, variant: Variant, loras: Iterable[str] = ()) -> str:
    """Return the name of the folder for a package: the package's, but with the model's whole name.

    So `sd-v1.4` and `sd-v1.5`, whose packages have one name, do not overwrite each other.
    """
    return _spell(model, variant, loras)


def _spell(model: str, variant: Variant, loras: Iterable[str]) -> str:
    parts = (
        model,
        *(_stem(name) for name in sorted(loras)),
        f"{variant.batch}x{variant.width}x{variant.height}",
        *(("cn",) if variant.is_controlled else ()),
        ATTENTIONS[variant.attention],
        *((variant.storage,) if variant.storage else ()),
    )
    return "_".join(parts).replace(" ", "_")


def _stem(name: str) -> str:
    return name.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForComfyUI:
    """A program for ComfyUI: what it is, and the node that loads it, empty if none does."""

    what: str
    node: str = ""

    def __str__(self) -> str:
        if self.node:
            return f"{self.what}; the node {self.node} lists it from ComfyUI's {FOLDER}"
        return f"{self.what}; no node of ComfyUI lists it"


def describe(inputs: Shapes, outputs: Collection[str], container: str) -> ForComfyUI | None:
    """Say what a program is for ComfyUI by its ports; `None` if it is not for ComfyUI.

    `container` is its suffix: the nodes list packages only.
    """
    if is_for_comfyui(inputs):
        batch, _, height, width = (*inputs["sample"], 0, 0, 0, 0)[:4]
        size = f"{PIXELS_PER_LATENT * width}x{PIXELS_PER_LATENT * height}"
        nets = ", takes ControlNets" if f"{RESIDUAL}0" in inputs else ""
        what = f"a UNet of {_family(inputs)} for ComfyUI, {size}, batch {batch}{nets}"
        return ForComfyUI(what=what, node=LOADER if container == PACKAGE else "")
    for (first, last), what in OTHERS.items():
        if [*inputs] == [first] and last in outputs:
            return ForComfyUI(what=f"a {what} of coreml-diffusion, for its own build_pipeline")
    return None


def _family(inputs: Shapes) -> str:
    """Return the family in words. What SD 2.x predicts does not show."""
    if GUIDANCE in inputs:
        return "a latent consistency model"
    if times := inputs.get("time_ids"):
        is_refiner = times[-1] == REFINER_TIME_IDS
        return f"{(Family.SDXL_REFINER if is_refiner else Family.SDXL).value}"
    family = WIDTHS.get(inputs[UNET_INPUTS[-1]][-1], Family.UNKNOWN)
    return _WORDS.get(family, f"{family.value}")


_WORDS = {Family.SD2_BASE: "Stable Diffusion 2.x", Family.UNKNOWN: "a reduced model"}
