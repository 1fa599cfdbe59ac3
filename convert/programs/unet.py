"""Builds the conditional UNet of SD 1.x, 2.x and SDXL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.models.schedule import BETAS, STEPS
from sdcoreml.convert.programs.assemble import Draft
from sdcoreml.convert.programs.blocks import resnet, sinusoids, time_mlp, transformer
from sdcoreml.convert.programs.callers import CALLERS, LATENT, inputs
from sdcoreml.convert.programs.config import Config
from sdcoreml.convert.programs.graph import Graph, port
from sdcoreml.convert.programs.inference import Var
from sdcoreml.convert.programs.layers import (
    HALVING,
    SPATIAL,
    add,
    concat,
    conv,
    group_norm,
    mul,
    reshape,
    silu,
    upsample,
)
from sdcoreml.convert.programs.options import GUIDANCE, Prediction, ProgramOptions
from sdcoreml.convert.programs.unet_config import UnetConfig, parse_unet, residual_shapes
from sdcoreml.convert.spec.model import DataType, Feature, Metadata
from sdcoreml.ground.errors import Fault, UnsupportedError

if TYPE_CHECKING:
    import numpy as np

AXES = [1, 2, 3]


def draw_unet(config: Config, options: ProgramOptions) -> Draft:
    """Draw the UNet.

    Inputs: `sample` (B, 4, h, w), `timestep` (B,), `encoder_hidden_states` (B, D, 1, S), and for
    SDXL `time_ids` (B, 6; the refiner 5) and `text_embeds` (B, 1280), all float16, or float32 in a
    float32 program. Output: `noise_pred` (B, 4, h, w) float32. For other runtimes than Swift, the
    inputs are those of `convert.programs.callers`.

    Raises:
        UnsupportedError: this builder does not support the config or the size.
        BadInputError: the config lacks a required option.
    """
    return _draw("unet", config, options, takes_residuals=False)


def draw_refiner(config: Config, options: ProgramOptions) -> Draft:
    """Draw the UNet of SDXL's refiner, to accompany that of the base model; see `draw_unet`."""
    return _draw("unet_refiner", config, options, takes_residuals=False)


def draw_controlled_unet(config: Config, options: ProgramOptions) -> Draft:
    """Draw the UNet with inputs for a ControlNet's outputs; its weight file is the plain UNet's.

    Additional inputs: `additional_residual_0` and so on, with the shapes of the skip tensors and,
    last, of the mid block's output. See `draw_unet` for the rest.
    """
    return _draw("controlled_unet", config, options, takes_residuals=True)


def _draw(
    component: str, config: Config, options: ProgramOptions, *, takes_residuals: bool
) -> Draft:
    caller = CALLERS[options.runtime]
    unet = parse_unet(component, config, accepted=caller.accepted)
    height, width = latent_size(component, unet, options)
    residuals = _residuals(unet, options, height, width) if takes_residuals else ()
    g = Graph((*inputs(unet, options, height, width), *residuals), options)
    time = silu(g, time_embedding(g, unet))
    context = caller.states(g)
    skips = down_path(g, unet, g.input("sample"), time, context)
    x = mid_block(g, unet, skips[-1], time, context)
    if residuals:
        *skips, x = (
            add(g, y, g.input(residual.name))
            for y, residual in zip((*skips, x), residuals, strict=True)
        )
    x = up_path(g, unet, x, skips, time, context)
    g.output("noise_pred", noise(g, x))
    return Draft(
        component=component,
        graph=g,
        outputs={"noise_pred": "The noise that the model sees in `sample`."},
        metadata=Metadata(
            description="Denoises a latent image, guided by the states of a text encoder.",
            user_defined={
                "sdcoreml.attention": options.attention.value,
                "sdcoreml.prediction": options.prediction.value,
            },
        ),
    )


def noise(g: Graph, prediction: Var) -> Var:
    """Turn the UNet's prediction into noise, which the apps' schedulers expect."""
    if g.options.prediction is Prediction.EPSILON:
        return prediction
    t = g.cast(g.inputs["timestep"], DataType.INT32)
    signal, spread = (
        g.emit("expand_dims", x=g.emit("gather", x=g.table(t_, name), indices=t, axis=0), axes=AXES)
        for name, t_ in schedule().items()
    )
    velocity, sample = (g.cast(y, DataType.FLOAT32) for y in (prediction, g.inputs["sample"]))
    return add(g, mul(g, signal, velocity), mul(g, spread, sample))


def schedule() -> Mapping[str, np.ndarray]:
    """Return the weights of image and noise in the latent at each of 1000 steps, float32.

    Apps have only one schedule: betas whose square roots grow linearly.
    """
    import numpy as np

    betas = np.linspace(BETAS[0] ** 0.5, BETAS[1] ** 0.5, STEPS, dtype=np.float64) ** 2
    kept = np.cumprod(1 - betas)
    return {
        "signal": np.sqrt(kept).astype(np.float32),
        "spread": np.sqrt(1 - kept).astype(np.float32),
    }


def _residuals(
    unet: UnetConfig, options: ProgramOptions, height: int, width: int
) -> tuple[Feature, ...]:
    return tuple(
        port(
            f"additional_residual_{index}",
            CALLERS[options.runtime].dtype or options.precision.dtype,
            (options.batch, *shape),
            "An output of a ControlNet, added to a skip tensor.",
        )
        for index, shape in enumerate(residual_shapes(unet, height, width))
    )


def latent_size(component: str, unet: UnetConfig, options: ProgramOptions) -> tuple[int, int]:
    """Return height and width of the latent image.

    Raises:
        UnsupportedError: the size is unknown, or cannot be halved at every level.
    """
    height, width = options.height or unet.sample_size, options.width or unet.sample_size
    if not height or not width:
        raise UnsupportedError(
            "config.json gives no sample_size", where=component, remedy="choose one with --size"
        )
    step = 1 if CALLERS[options.runtime].pads else 2 ** (unet.levels - 1)
    if height % step or width % step:
        pixels = PIXELS_PER_LATENT * width, PIXELS_PER_LATENT * height
        what = (
            f"a latent image of {width}x{height}, for {pixels[0]}x{pixels[1]} pixels, cannot be "
            f"halved {unet.levels - 1} times"
        )
        remedy = f"choose multiples of {PIXELS_PER_LATENT * step} pixels"
        error = UnsupportedError
        raise Fault(
            where=component, what=what, remedy=remedy, error=error, code="MOD014"
        ).as_error()
    return height, width


def time_embedding(g: Graph, unet: UnetConfig) -> Var:
    """Embed the timestep and SDXL's extra conditions, as (B, T, 1, 1)."""
    waves = sinusoids(g, g.inputs["timestep"], unet.channels[0], flip=unet.flip, shift=unet.shift)
    if unet.guidance:
        waves = add(g, waves, _guidance(g, unet.channels[0]))
    time = time_mlp(g, waves, "time_embedding", unet.time_width)
    if unet.added is None:
        return time
    ids = g.inputs["time_ids"]
    batch, count = ids.shape
    if g.options.states_own_size:
        ids = _own_size(g, ids)
    flat = reshape(g, ids, batch * count)
    waves = sinusoids(g, flat, unet.added.width, flip=unet.flip, shift=unet.shift)
    waves = reshape(g, waves, batch, count * unet.added.width)
    extra = concat(g, [g.input("text_embeds"), waves])
    return add(g, time, time_mlp(g, extra, "add_embedding", unet.time_width))


def _guidance(g: Graph, channels: int) -> Var:
    """Project the embedded guidance scale to (B, `channels`), for the sum with the timestep's."""
    given = g.emit("expand_dims", x=g.input(GUIDANCE), axes=[2, 3])
    projected = conv(g, given, "time_embedding.cond_proj", channels, bias=False)
    return reshape(g, projected, projected.shape[0], channels)


def _own_size(g: Graph, ids: Var) -> Var:
    """Return `time_ids` with the program's image size as original and target size."""
    import numpy as np

    height, width = (PIXELS_PER_LATENT * extent for extent in g.inputs["sample"].shape[2:])
    target = [height, width] if ids.shape[1] == 6 else [0]  # noqa: PLR2004  the base model
    sizes = np.array([[height, width, 0, 0, *target]], np.float16)
    kept = (sizes == 0).astype(np.float16)
    return add(g, mul(g, ids, g.table(kept, "kept")), g.table(sizes, "sizes"))


def down_path(
    g: Graph, unet: UnetConfig, x: Var, time: Var, context: Var, *, added: Var | None = None
) -> list[Var]:
    """Build the path from the latent image to the smallest map; return all skip tensors.

    A ControlNet gives its embedded picture as `added`, which is added to the first skip tensor.
    """
    first = conv(g, x, "conv_in", unet.channels[0], SPATIAL)
    skips = [first if added is None else add(g, first, added)]
    for level, channels in enumerate(unet.channels):
        path = f"down_blocks.{level}"
        for layer in range(unet.layers[level]):
            x = resnet(g, skips[-1], time, f"{path}.resnets.{layer}", channels, unet.norm)
            if unet.is_cross_down[level]:
                name = f"{path}.attentions.{layer}"
                x = transformer(g, x, context, name, unet.transformer(level))
            skips.append(x)
        if level < unet.levels - 1:
            skips.append(conv(g, skips[-1], f"{path}.downsamplers.0.conv", channels, HALVING))
    return skips


def mid_block(g: Graph, unet: UnetConfig, x: Var, time: Var, context: Var) -> Var:
    """Build the middle block, on the smallest map."""
    channels, last = unet.channels[-1], unet.levels - 1
    x = resnet(g, x, time, "mid_block.resnets.0", channels, unet.norm)
    x = transformer(g, x, context, "mid_block.attentions.0", unet.transformer(last))
    return resnet(g, x, time, "mid_block.resnets.1", channels, unet.norm)


def up_path(g: Graph, unet: UnetConfig, x: Var, skips: list[Var], time: Var, context: Var) -> Var:
    """Build the path back to the latent image's size, concatenating the skip tensors."""
    remaining = list(skips)
    for block, level in enumerate(reversed(range(unet.levels))):
        path, channels = f"up_blocks.{block}", unet.channels[level]
        for layer in range(unet.layers[level] + 1):
            x = concat(g, [x, remaining.pop()])
            x = resnet(g, x, time, f"{path}.resnets.{layer}", channels, unet.norm)
            if unet.is_cross_up[block]:
                name = f"{path}.attentions.{layer}"
                x = transformer(g, x, context, name, unet.transformer(level))
        if level:
            x = upsample(g, x, f"{path}.upsamplers.0", remaining[-1])
    x = silu(g, group_norm(g, x, "conv_norm_out", unet.norm.groups, unet.norm.eps))
    return conv(g, x, "conv_out", LATENT, SPATIAL)
