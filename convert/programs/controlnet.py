"""Builds ControlNets: a UNet's down path that also takes a picture.

Its outputs are added to the skip tensors of another UNet.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.programs.assemble import Draft
from sdcoreml.convert.programs.callers import inputs
from sdcoreml.convert.programs.config import Config, ConfigReader
from sdcoreml.convert.programs.graph import Graph, port
from sdcoreml.convert.programs.inference import Var
from sdcoreml.convert.programs.layers import HALVING, SPATIAL, conv, silu
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.unet import down_path, latent_size, mid_block, time_embedding
from sdcoreml.convert.programs.unet_config import UnetConfig, parse_unet, residual_shapes
from sdcoreml.convert.spec.model import Metadata

DEFAULT_CHANNELS = (16, 32, 96, 256)

_READ = frozenset({"conditioning_embedding_out_channels"})
_ACCEPTED: Mapping[str, tuple[object, ...]] = {
    "conditioning_channels": (3,),
    "controlnet_conditioning_channel_order": ("rgb",),
    "global_pool_conditions": (False,),
}


def parse_controlnet(component: str, config: Config) -> UnetConfig:
    """Check a ControlNet's config; see `parse_unet`."""
    return parse_unet(component, config, _READ, _ACCEPTED)


def draw_controlnet(config: Config, options: ProgramOptions) -> Draft:
    """Draw a ControlNet.

    Inputs: those of the UNet and `controlnet_cond` (B, 3, 8h, 8w), 0 to 1. Outputs:
    `additional_residual_0` and so on, with the names and shapes of the controlled UNet's inputs;
    float32, since the runtimes add them up through raw pointers.

    Raises:
        UnsupportedError: this builder does not support the config or the size.
        BadInputError: the config lacks a required option.
    """
    net = parse_controlnet("controlnet", config)
    height, width = latent_size("controlnet", net, options)
    size = (options.batch, 3, PIXELS_PER_LATENT * height, PIXELS_PER_LATENT * width)
    picture = port(
        "controlnet_cond", options.precision.dtype, size, "The picture to follow, 0 to 1."
    )
    widths = ConfigReader(component="controlnet", config=config).read(
        "conditioning_embedding_out_channels", tuple[int, ...], DEFAULT_CHANNELS
    )
    g = Graph((*inputs(net, options, height, width), picture), options)
    time = silu(g, time_embedding(g, net))
    context = g.input("encoder_hidden_states")
    seen = _embed(g, g.input("controlnet_cond"), widths, net.channels[0])
    skips = down_path(g, net, g.input("sample"), time, context, added=seen)
    middle = mid_block(g, net, skips[-1], time, context)
    for index, x in enumerate((*skips, middle)):
        path = f"controlnet_down_blocks.{index}" if x is not middle else "controlnet_mid_block"
        g.output(f"additional_residual_{index}", conv(g, x, path, x.shape[1]))
    shapes = residual_shapes(net, height, width)
    return Draft(
        component="controlnet",
        graph=g,
        outputs={
            f"additional_residual_{index}": f"For the UNet's {channels} channels of {size}."
            for index, (channels, *size) in enumerate(shapes)
        },
        metadata=Metadata(
            description="Steers a UNet towards a picture.",
            user_defined={"sdcoreml.attention": options.attention.value},
        ),
    )


def _embed(g: Graph, picture: Var, widths: tuple[int, ...], channels: int) -> Var:
    """Reduce the picture to the latent size: halve it once for each of `widths` after the first."""
    path = "controlnet_cond_embedding"
    x = silu(g, conv(g, picture, f"{path}.conv_in", widths[0], SPATIAL))
    for index, (width, wider) in enumerate(itertools.pairwise(widths)):
        x = silu(g, conv(g, x, f"{path}.blocks.{2 * index}", width, SPATIAL))
        x = silu(g, conv(g, x, f"{path}.blocks.{2 * index + 1}", wider, HALVING))
    return conv(g, x, f"{path}.conv_out", channels, SPATIAL)
