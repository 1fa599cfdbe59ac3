"""What each runtime sends to a UNet, and how its program takes it; the body is always the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sdcoreml.convert.programs.graph import Graph, port
from sdcoreml.convert.programs.inference import Var
from sdcoreml.convert.programs.layers import transpose
from sdcoreml.convert.programs.options import (
    DEFAULT_TOKENS,
    EMBEDDED,
    GUIDANCE,
    ProgramOptions,
    Runtime,
)
from sdcoreml.convert.programs.unet_config import UnetConfig
from sdcoreml.convert.spec.model import DataType, Feature

LATENT = 4
STATES = "encoder_hidden_states"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """How one runtime calls a UNet.

    Attributes:
        shape: returns the shape of the text states for a batch, their width, and a prompt's length.
        states: adds what makes (B, D, 1, S) of them.
        dtype: the type of all inputs; `None` is that of the program.
        accepted: values of config options that only this runtime can serve.
        pads: whether it takes sizes that cannot be halved at every level, as diffusers does: then
            maps are rounded up on the way down, and cut on the way up.
    """

    shape: Callable[[int, int, int], tuple[int, ...]]
    states: Callable[[Graph], Var]
    dtype: DataType | None = None
    accepted: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    pads: bool = False


def _as_sent(g: Graph) -> Var:
    return g.input(STATES)


def _turned(g: Graph) -> Var:
    turned: Var = g.emit("expand_dims", x=transpose(g, g.input(STATES), 0, 2, 1), axes=[2])
    return turned


CALLERS: Mapping[Runtime, Caller] = {
    Runtime.SWIFT: Caller(
        shape=lambda batch, width, tokens: (batch, width, 1, tokens), states=_as_sent
    ),
    Runtime.COMFYUI: Caller(
        shape=lambda batch, width, tokens: (batch, tokens, width),
        states=_turned,
        dtype=DataType.FLOAT16,
        accepted={"time_cond_proj_dim": (None, EMBEDDED)},
        pads=True,
    ),
}


def inputs(
    unet: UnetConfig, options: ProgramOptions, height: int, width: int
) -> tuple[Feature, ...]:
    """Return the UNet's inputs in the order that apps expect, without a ControlNet's residuals."""
    caller = CALLERS[options.runtime]
    kind = caller.dtype or options.precision.dtype
    batch, tokens = options.batch, options.tokens or DEFAULT_TOKENS
    features = [
        port("sample", kind, (batch, LATENT, height, width), "The latent image to denoise."),
        port("timestep", kind, (batch,), "The diffusion step that `sample` is at, 0 to 999."),
        port(
            STATES,
            kind,
            caller.shape(batch, unet.context, tokens),
            "The states of the text encoder, unconditional half first.",
        ),
    ]
    if unet.guidance:
        said = "The embedded guidance scale of a consistency model."
        features.append(port(GUIDANCE, kind, (batch, unet.guidance), said))
    if unet.added:
        features += [
            port(
                "time_ids",
                kind,
                (batch, unet.added.ids),
                "Original size, crop, target size or score.",
            ),
            port(
                "text_embeds", kind, (batch, unet.added.text), "Pooled output of the text encoder."
            ),
        ]
    return tuple(features)
