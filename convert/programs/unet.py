"""The conditional UNet of SD 1.x, 2.x and SDXL."""

from __future__ import annotations

from convert.errors import UnsupportedError
from convert.programs.assemble import Draft
from convert.programs.blocks import resnet, sinusoids, time_mlp, transformer
from convert.programs.config import Config
from convert.programs.graph import Graph, port
from convert.programs.layers import (
    HALVING,
    SPATIAL,
    add,
    concat,
    conv,
    group_norm,
    reshape,
    silu,
    upsample,
)
from convert.programs.options import ProgramOptions
from convert.programs.toolkit import Var
from convert.programs.unet_config import UnetConfig, parse_unet
from convert.spec.model import DataType, Feature, Metadata

LATENT = 4
HALF = DataType.FLOAT16
DEFAULT_TOKENS = 77


def draw_unet(config: Config, options: ProgramOptions) -> Draft:
    """The UNet as a program.

    Inputs: `sample` (B, 4, h, w), `timestep` (B,), `encoder_hidden_states` (B, D, 1, S), and for
    SDXL `time_ids` (B, 6; the refiner 5) and `text_embeds` (B, 1280), all float16. Output:
    `noise_pred` (B, 4, h, w) float32.

    Raises:
        UnsupportedError: the config or the size is not one that this builder makes.
        BadInputError: the config lacks something.
    """
    unet = parse_unet("unet", config)
    height, width = latent_size("unet", unet, options)
    with Graph(inputs(unet, options, height, width), options) as g:
        time = silu(g, time_embedding(g, unet))
        context = g.input("encoder_hidden_states")
        skips = down_path(g, unet, g.input("sample"), time, context)
        x = mid_block(g, unet, skips[-1], time, context)
        g.output("noise_pred", up_path(g, unet, x, skips, time, context))
    return Draft(
        component="unet",
        graph=g,
        outputs={"noise_pred": "The noise that the model sees in `sample`."},
        metadata=Metadata(
            description="Denoises a latent image, guided by the states of a text encoder.",
            user_defined={"sdcoreml.attention": options.attention.value},
        ),
    )


def latent_size(component: str, unet: UnetConfig, options: ProgramOptions) -> tuple[int, int]:
    """Height and width of the latent image.

    Raises:
        UnsupportedError: the size is unknown, or does not survive halving at every level.
    """
    size = options.height or unet.sample_size, options.width or unet.sample_size
    step = 2 ** (unet.levels - 1)
    if any(not extent or extent % step for extent in size):
        raise UnsupportedError(
            f"{component}: latent size {size[0]}x{size[1]} cannot be halved {unet.levels - 1}"
            f" times; choose an image height and width that are multiples of {8 * step}"
        )
    return size[0] or 0, size[1] or 0


def inputs(
    unet: UnetConfig, options: ProgramOptions, height: int, width: int
) -> tuple[Feature, ...]:
    """The UNet's inputs in the order of the contract."""
    batch, tokens = options.batch, options.tokens or DEFAULT_TOKENS
    features = [
        port("sample", HALF, (batch, LATENT, height, width), "The latent image to denoise."),
        port("timestep", HALF, (batch,), "The diffusion step that `sample` is at, 0 to 999."),
        port(
            "encoder_hidden_states",
            HALF,
            (batch, unet.context, 1, tokens),
            "The states of the text encoder, unconditional half first.",
        ),
    ]
    if unet.added:
        features += [
            port(
                "time_ids",
                HALF,
                (batch, unet.added.ids),
                "Original size, crop, target size or score.",
            ),
            port(
                "text_embeds",
                HALF,
                (batch, unet.added.text),
                "Pooled output of the text encoder.",
            ),
        ]
    return tuple(features)


def time_embedding(g: Graph, unet: UnetConfig) -> Var:
    """The embedding of the step and of SDXL's extra condition, (B, T, 1, 1)."""
    waves = sinusoids(g, g.inputs["timestep"], unet.channels[0], flip=unet.flip, shift=unet.shift)
    time = time_mlp(g, waves, "time_embedding", unet.time_width)
    if unet.added is None:
        return time
    ids = g.inputs["time_ids"]
    batch, count = ids.shape
    flat = reshape(g, ids, batch * count)
    waves = sinusoids(g, flat, unet.added.width, flip=unet.flip, shift=unet.shift)
    waves = reshape(g, waves, batch, count * unet.added.width)
    extra = concat(g, [g.input("text_embeds"), waves])
    return add(g, time, time_mlp(g, extra, "add_embedding", unet.time_width))


def down_path(g: Graph, unet: UnetConfig, x: Var, time: Var, context: Var) -> list[Var]:
    """From the latent image to the smallest map; every tensor that the way up will want again."""
    skips = [conv(g, x, "conv_in", unet.channels[0], SPATIAL)]
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
    """The smallest map, seen once more."""
    channels, last = unet.channels[-1], unet.levels - 1
    x = resnet(g, x, time, "mid_block.resnets.0", channels, unet.norm)
    x = transformer(g, x, context, "mid_block.attentions.0", unet.transformer(last))
    return resnet(g, x, time, "mid_block.resnets.1", channels, unet.norm)


def up_path(g: Graph, unet: UnetConfig, x: Var, skips: list[Var], time: Var, context: Var) -> Var:
    """Back to the size of the latent image, joined by the tensors of the way down."""
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
            x = upsample(g, x, f"{path}.upsamplers.0")
    x = silu(g, group_norm(g, x, "conv_norm_out", unet.norm.groups, unet.norm.eps))
    return conv(g, x, "conv_out", unet.out_channels, SPATIAL)
