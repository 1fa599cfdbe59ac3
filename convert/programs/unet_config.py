"""Checks and parses a conditional UNet's config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sdcoreml.convert.models.alike import one_for_all
from sdcoreml.convert.programs.blocks import Norm, Transformer
from sdcoreml.convert.programs.config import Config, ConfigReader, refuse_unknown, require_divisible
from sdcoreml.ground.errors import UnsupportedError

CROSS_DOWN, PLAIN_DOWN = "CrossAttnDownBlock2D", "DownBlock2D"
CROSS_UP, PLAIN_UP = "CrossAttnUpBlock2D", "UpBlock2D"

NOTHING: Mapping[str, tuple[object, ...]] = {}

READ = frozenset(
    {
        "addition_embed_type_num_heads",  # for an embedding that is refused
        "addition_time_embed_dim",
        "attention_head_dim",
        "block_out_channels",
        "cross_attention_dim",
        "down_block_types",
        "dropout",  # training only
        "flip_sin_to_cos",
        "freq_shift",
        "layers_per_block",
        "norm_eps",
        "norm_num_groups",
        "projection_class_embeddings_input_dim",
        "sample_size",
        "time_embedding_dim",
        "transformer_layers_per_block",
        "up_block_types",
        "upcast_attention",  # every layout here avoids overflow by scaling the queries first
        "use_linear_projection",  # a linear layer is a 1x1 convolution
    }
)
"""The options that may have any value: what they say is drawn, or changes no result."""

_ACCEPTED: Mapping[str, tuple[object, ...]] = {
    "act_fn": ("silu", "swish"),
    "addition_embed_type": (None, "text_time"),
    "attention_type": ("default",),
    "center_input_sample": (False,),
    "class_embed_type": (None,),
    "class_embeddings_concat": (False,),
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "cross_attention_norm": (None,),
    "downsample_padding": (1,),
    "dual_cross_attention": (False,),
    "encoder_hid_dim": (None,),
    "encoder_hid_dim_type": (None,),
    "in_channels": (4,),
    "mid_block_only_cross_attention": (None, False),
    "mid_block_scale_factor": (1, 1.0),
    "mid_block_type": ("UNetMidBlock2DCrossAttn",),
    "num_attention_heads": (None,),
    "num_class_embeds": (None,),
    "only_cross_attention": (False,),
    "out_channels": (4,),
    "resnet_out_scale_factor": (1, 1.0),
    "resnet_skip_time_act": (False,),
    "resnet_time_scale_shift": ("default",),
    "reverse_transformer_layers_per_block": (None,),
    "time_cond_proj_dim": (None,),
    "time_embedding_act_fn": (None,),
    "time_embedding_type": ("positional",),
    "timestep_post_act": (None,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """SDXL's extra conditions: `text` features, and `ids` numbers, each embedded as `width`."""

    ids: int
    width: int
    text: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnetConfig:
    """The settings of a UNet; tuples have one entry for each level, the largest map first.

    `guidance` is the width of a consistency model's embedded guidance scale.
    """

    channels: tuple[int, ...]
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    depths: tuple[int, ...]
    is_cross_down: tuple[bool, ...]
    is_cross_up: tuple[bool, ...]
    context: int
    norm: Norm
    time_width: int
    flip: bool
    shift: float
    sample_size: int | None
    added: Added | None
    guidance: int | None

    @property
    def levels(self) -> int:
        """The number of resolutions."""
        return len(self.channels)

    def transformer(self, level: int) -> Transformer:
        """Return the settings of a level's transformers."""
        return Transformer(
            heads=self.heads[level], depth=self.depths[level], groups=self.norm.groups
        )


def parse_unet(
    component: str,
    config: Config,
    read: frozenset[str] = frozenset(),
    accepted: Mapping[str, tuple[object, ...]] = NOTHING,
) -> UnetConfig:
    """Parse the config of a UNet or a ControlNet.

    `read` and `accepted` are options beyond a UNet's own; see `refuse_unknown`.

    Raises:
        UnsupportedError: it has an option that is not implemented.
        BadInputError: it lacks a required option.
    """
    refuse_unknown(component, config, READ | read, {**_ACCEPTED, **accepted})
    reader = ConfigReader(component=component, config=config)
    reader.require("block_out_channels", "cross_attention_dim", "down_block_types")
    channels = reader.read("block_out_channels", tuple[int, ...])
    context = one_for_all(config["cross_attention_dim"])
    if type(context) is not int:
        raise UnsupportedError(
            f"config.json has a different cross_attention_dim for each block: {context}",
            where=component,
            remedy="convert a model whose blocks all have the same one",
        )
    levels = len(channels)
    down = reader.read("down_block_types", tuple[str, ...])
    mirrored = tuple(_UP.get(kind, kind) for kind in reversed(down))
    up = reader.read("up_block_types", tuple[str, ...], mirrored)
    _check_blocks(component, down, up)
    reader.require_levels("down_block_types", down, levels)
    reader.require_levels("up_block_types", up, levels)
    groups = reader.read("norm_num_groups", int, 32)
    heads = reader.read_per_level("attention_head_dim", levels, 8)
    require_divisible(component, "norm_num_groups", groups, *channels)
    pairs = zip(heads, channels, down, reversed(up), strict=False)
    for count, width, *kinds in pairs:
        if {CROSS_DOWN, CROSS_UP} & {*kinds}:
            require_divisible(component, "attention_head_dim", count, width)
    return UnetConfig(
        channels=channels,
        layers=reader.read_per_level("layers_per_block", levels, 2),
        heads=heads,
        depths=reader.read_per_level("transformer_layers_per_block", levels, 1),
        is_cross_down=tuple(kind == CROSS_DOWN for kind in down),
        is_cross_up=tuple(kind == CROSS_UP for kind in up),
        context=context,
        norm=Norm(groups=groups, eps=reader.read("norm_eps", float, 1e-5)),
        time_width=reader.read_nullable("time_embedding_dim", int) or 4 * channels[0],
        flip=reader.read("flip_sin_to_cos", bool, default=True),
        shift=reader.read("freq_shift", float, 0),
        sample_size=_sample_size(reader),
        added=_parse_added(reader, context),
        guidance=reader.read_nullable("time_cond_proj_dim", int),
    )


def _sample_size(reader: ConfigReader) -> int | None:
    """Read the latent size; `None` if it is absent or not square, so that options must give it."""
    match reader.config.get("sample_size"):
        case [height, width] if type(height) is type(width) is int:
            return height if height == width else None
        case _:
            return reader.read_nullable("sample_size", int)


_UP = {CROSS_DOWN: CROSS_UP, PLAIN_DOWN: PLAIN_UP}


def _check_blocks(component: str, down: tuple[str, ...], up: tuple[str, ...]) -> None:
    strange = [kind for kind in (*down, *up) if kind not in {*_UP, *_UP.values()}]
    if strange:
        raise UnsupportedError(
            f"config.json has blocks of kind {', '.join(sorted(set(strange)))}",
            where=component,
            remedy=f"this converter builds {', '.join((*_UP, *_UP.values()))}",
        )


def _parse_added(reader: ConfigReader, context: int) -> Added | None:
    """Parse SDXL's conditions: the base model embeds six numbers, the refiner five."""
    if reader.config.get("addition_embed_type") is None:
        return None
    reader.require("addition_time_embed_dim", "projection_class_embeddings_input_dim")
    width = reader.read("addition_time_embed_dim", int)
    total = reader.read("projection_class_embeddings_input_dim", int)
    ids = 5 if total - 5 * width == context else 6
    return Added(ids=ids, width=width, text=total - ids * width)


def residual_shapes(
    config: UnetConfig, height: int, width: int
) -> tuple[tuple[int, int, int], ...]:
    """Return (C, H, W) of every skip tensor and, last, of the mid block's output."""
    shapes = [(config.channels[0], height, width)]
    for level, (channels, layers) in enumerate(zip(config.channels, config.layers, strict=True)):
        shapes += [(channels, height, width)] * layers
        if level < config.levels - 1:
            height, width = (height + 1) // 2, (width + 1) // 2
            shapes.append((channels, height, width))
    return (*shapes, shapes[-1])
