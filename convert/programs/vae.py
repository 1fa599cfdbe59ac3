"""Builds the autoencoder's two programs: latent to image, and image to latent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.programs.assemble import Draft
from sdcoreml.convert.programs.attention import Heads, Projections, attention, original
from sdcoreml.convert.programs.blocks import Norm, resnet
from sdcoreml.convert.programs.config import Config, ConfigReader, refuse_unknown, require_divisible
from sdcoreml.convert.programs.graph import Graph, port
from sdcoreml.convert.programs.inference import Var
from sdcoreml.convert.programs.layers import (
    SPATIAL,
    Kernel,
    add,
    conv,
    group_norm,
    mul,
    reshape,
    silu,
    upsample,
)
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.spec.model import DataType, Metadata
from sdcoreml.ground.errors import UnsupportedError

EPS = 1e-6
"""The epsilon of every group norm in diffusers' AutoencoderKL, whatever its config says."""

DEFAULT_SCALE = 0.18215
"""The latent scale of SD 1.x and 2.x: diffusers' default, and what apps apply by default."""

LEVELS, LATENT = 4, 4
"""The number of levels, each half as large as the one before, and of latent channels."""

NAMES = Projections(is_biased=True)
OLDER_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""Names of attention layers before diffusers 0.17, which most published checkpoints still have."""

SHRINKING = Kernel(size=3, stride=2, pad=(0, 1, 0, 1))
"""The kernel that halves a map in the encoder; its padding is only at the bottom and right."""

_READ = frozenset(
    {
        "block_out_channels",
        "force_upcast",
        "layers_per_block",
        "norm_num_groups",
        "sample_size",
        "scaling_factor",
        "shift_factor",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeConfig:
    """The settings of a VAE; `channels` has an entry for each level, the largest map first.

    `ratio` is the app's latent scale divided by the model's. `shift` is the model's latent shift;
    apps apply none.
    """

    channels: tuple[int, ...]
    layers: int
    norm: Norm
    latent: int
    height: int
    width: int
    ratio: float
    shift: float

    @property
    def scale(self) -> int:
        """Image pixels per latent pixel, in each direction."""
        return 1 << len(self.channels) - 1


def parse_vae(component: str, config: Config, options: ProgramOptions) -> VaeConfig:
    """Check and parse an autoencoder's config.

    Raises:
        UnsupportedError: it has an option that is not implemented, or gives no size.
        BadInputError: it lacks a required option.
    """
    reader = ConfigReader(component=component, config=config)
    channels = reader.read("block_out_channels", tuple[int, ...], ())
    refuse_unknown(component, config, _READ, _list_accepted(len(channels)))
    reader.require("block_out_channels")
    if len(channels) != LEVELS:
        raise UnsupportedError(
            (
                f"config.json has {len(channels)} block_out_channels, so a latent "
                f"pixel covers {1 << len(channels) - 1} image pixels in each direction; "
                f"apps need {PIXELS_PER_LATENT}, which takes {LEVELS}"
            ),
            where=component,
            remedy="take the VAE of a Stable Diffusion model",
        )
    groups = reader.read("norm_num_groups", int, 32)
    require_divisible(component, "norm_num_groups", groups, *channels)
    scale = reader.read("scaling_factor", float, DEFAULT_SCALE)
    size = config.get("sample_size")
    default = size >> LEVELS - 1 if isinstance(size, int) else None
    height, width = options.height or default, options.width or default
    if not height or not width:
        raise UnsupportedError(
            "config.json gives no sample_size", where=component, remedy="choose one with --size"
        )
    return VaeConfig(
        channels=channels,
        layers=reader.read("layers_per_block", int, 1),
        norm=Norm(groups=groups, eps=EPS),
        latent=LATENT,
        height=height,
        width=width,
        ratio=(options.runtime_scale or scale) / scale,
        shift=reader.read_nullable("shift_factor", float) or 0.0,
    )


def older_name(name: str) -> str:
    """Return the name of an attention tensor before diffusers 0.17."""
    for new, old in OLDER_NAMES.items():
        name = name.replace(f".attentions.0.{new}.", f".attentions.0.{old}.")
    return name


def _list_accepted(levels: int) -> Mapping[str, tuple[object, ...]]:
    return {
        "act_fn": ("silu", "swish"),
        "down_block_types": (["DownEncoderBlock2D"] * levels,),
        "up_block_types": (["UpDecoderBlock2D"] * levels,),
        "in_channels": (3,),
        "latent_channels": (LATENT,),
        "out_channels": (3,),
        "latents_mean": (None,),
        "latents_std": (None,),
        "mid_block_add_attention": (True,),
        "use_post_quant_conv": (True,),
        "use_quant_conv": (True,),
    }


def draw_vae_decoder(config: Config, options: ProgramOptions) -> Draft:
    """Draw the decoder: `z` (1, 4, h, w) to `image` (1, 3, 8h, 8w) float32, -1 to 1.

    The runtimes scale `z` before the program.

    Raises:
        UnsupportedError: this builder does not support the config or the size.
        BadInputError: the config lacks a required option.
    """
    vae = parse_vae("vae_decoder", config, options)
    shape = (1, vae.latent, vae.height, vae.width)
    z = port("z", options.precision.dtype, shape, "The latent image, unscaled.")
    g = Graph((z,), options)
    x = conv(g, _as_trained(g, vae, g.inputs["z"]), "post_quant_conv", vae.latent)
    x = conv(g, x, "decoder.conv_in", vae.channels[-1], SPATIAL)
    x = _mid_block(g, vae, x, "decoder.mid_block")
    for block, level in enumerate(reversed(range(len(vae.channels)))):
        path = f"decoder.up_blocks.{block}"
        x = _resnets(g, vae, x, path, vae.channels[level], vae.layers + 1)
        if level:
            x = upsample(g, x, f"{path}.upsamplers.0")
    x = silu(g, group_norm(g, x, "decoder.conv_norm_out", vae.norm.groups, EPS))
    g.output("image", conv(g, x, "decoder.conv_out", 3, SPATIAL))
    return Draft(
        component="vae_decoder",
        graph=g,
        outputs={"image": "The image, -1 to 1."},
        metadata=Metadata(description="Turns a latent image into an image."),
        ignored=("encoder.", "quant_conv."),
        older_name=older_name,
    )


def draw_vae_encoder(config: Config, options: ProgramOptions) -> Draft:
    """Draw the encoder: `x` (1, 3, 8h, 8w), -1 to 1, to `latent` (1, 8, h, w) float32.

    The eight channels are four means and four log-variances.

    Raises:
        UnsupportedError: this builder does not support the config or the size.
        BadInputError: the config lacks a required option.
    """
    vae = parse_vae("vae_encoder", config, options)
    shape = (1, 3, vae.scale * vae.height, vae.scale * vae.width)
    image = port("x", options.precision.dtype, shape, "The image, -1 to 1.")
    g = Graph((image,), options)
    x = conv(g, g.input("x"), "encoder.conv_in", vae.channels[0], SPATIAL)
    for level, channels in enumerate(vae.channels):
        path = f"encoder.down_blocks.{level}"
        x = _resnets(g, vae, x, path, channels, vae.layers)
        if level < len(vae.channels) - 1:
            down = f"{path}.downsamplers.0.conv"
            x = conv(g, x, down, channels, SHRINKING)
    x = _mid_block(g, vae, x, "encoder.mid_block")
    x = silu(g, group_norm(g, x, "encoder.conv_norm_out", vae.norm.groups, EPS))
    x = conv(g, x, "encoder.conv_out", 2 * vae.latent, SPATIAL)
    g.output("latent", _rescale(g, vae, conv(g, x, "quant_conv", 2 * vae.latent)))
    return Draft(
        component="vae_encoder",
        graph=g,
        outputs={"latent": "Mean and log-variance of the latent image, unscaled."},
        metadata=Metadata(description="Turns an image into the distribution of its latent image."),
        ignored=("decoder.", "post_quant_conv."),
        older_name=older_name,
    )


def _as_trained(g: Graph, vae: VaeConfig, z: Var) -> Var:
    """Convert a latent from the app's scale to the scale that the VAE was trained with.

    This is in float32, because in float16 the ratio would be off by up to 2e-4.
    """
    import numpy as np

    if vae.ratio != 1:
        z = mul(g, g.cast(z, DataType.FLOAT32), np.float32(vae.ratio))
    if vae.shift:
        z = add(g, g.cast(z, DataType.FLOAT32), np.float32(vae.shift))
    return g.cast(z, g.dtype)


def _rescale(g: Graph, vae: VaeConfig, moments: Var) -> Var:
    """Adjust means and log-variances so that the app's scale has the effect of the model's."""
    import numpy as np

    def each(mean: float, logarithm: float, name: str) -> Var:
        row = np.repeat(np.array([mean, logarithm], np.float32), vae.latent)
        return g.table(row.reshape(1, -1, 1, 1), name)

    if vae.shift:
        moments = add(g, g.cast(moments, DataType.FLOAT32), each(-vae.shift, 0, "shifts"))
    if vae.ratio != 1:
        moments = g.cast(moments, DataType.FLOAT32)
        moments = mul(g, moments, each(1 / vae.ratio, 1, "factors"))
        moments = add(g, moments, each(0, -2 * math.log(vae.ratio), "offsets"))
    return moments


def _resnets(g: Graph, vae: VaeConfig, x: Var, path: str, channels: int, count: int) -> Var:
    for layer in range(count):
        name = f"{path}.resnets.{layer}"
        x = resnet(g, x, None, name, channels, vae.norm)
    return x


def _mid_block(g: Graph, vae: VaeConfig, x: Var, path: str) -> Var:
    """Build two residual blocks, and between them single-head attention over all pixels."""
    batch, channels, height, width = x.shape
    first, second = (f"{path}.resnets.{index}" for index in (0, 1))
    x = resnet(g, x, None, first, channels, vae.norm)
    h = group_norm(g, x, f"{path}.attentions.0.group_norm", vae.norm.groups, EPS)
    h = reshape(g, h, batch, channels, 1, height * width)
    heads = Heads(count=1, layout=original, names=NAMES)
    h = attention(g, h, h, f"{path}.attentions.0", heads)
    x = add(g, reshape(g, h, batch, channels, height, width), x)
    return resnet(g, x, None, second, channels, vae.norm)
