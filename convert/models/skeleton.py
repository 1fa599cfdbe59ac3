"""Lists every parameter of a diffusers 0.23.1 or transformers 4.34.1 component from its config.

Comparing the list with a checkpoint shows missing, surplus and misshapen tensors. Shapes are
PyTorch's: a convolution is (out, in, height, width), a linear layer (out, in).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeAlias

from sdcoreml.convert.models.alike import one_for_all
from sdcoreml.ground.codec import read_field

Shape: TypeAlias = tuple[int, ...]
Parameter: TypeAlias = tuple[str, Shape]
Config: TypeAlias = Mapping[str, object]

MOST = 20_000
"""The most parameters of a credible config; SDXL's UNet has 1,680."""


def parameters(kind: str, config: Config) -> dict[str, Shape] | None:
    """Map the name of every parameter of the class `kind` to its shape; see `IN_PART`.

    Returns `None` if the class is not described here, or if one of its options adds parameters.
    """
    describe = _CLASSES.get(kind)
    plain = {**config, **{n: one_for_all(config[n]) for n in _FOR_EACH if n in config}}
    if describe is None or any(plain.get(option) not in (None, False) for option in _UNUSUAL):
        return None
    try:
        found = dict(islice(describe({**_DEFAULTS[kind], **plain}), MOST))
    except (IndexError, KeyError, ValueError):
        return None
    return found if len(found) < MOST else None


def find_strangers(kind: str, config: Config, names: Iterable[str]) -> tuple[str, ...]:
    """Return the tensors that the class `kind` does not have and its library ignores on loading.

    Empty if the class is not described here, or only in part.
    """
    known = None if kind in IN_PART else parameters(kind, config)
    return () if known is None else tuple(name for name in names if name not in known)


IN_PART = frozenset({"ControlNetModel"})
"""Classes that `parameters` lists only in part: of a ControlNet, the down path and middle."""

_FOR_EACH = ("cross_attention_dim", "only_cross_attention")
"""Options that configs can state once for all blocks, or for each block."""

_UNUSUAL = (
    "class_embed_type",
    "cross_attention_norm",
    "dual_cross_attention",
    "encoder_hid_dim",
    "encoder_hid_dim_type",
    "mid_block_only_cross_attention",
    "num_class_embeds",
    "only_cross_attention",
    "time_embedding_dim",
)
"""Options that change the parameters in ways that no SD 1.x, 2.x or XL model uses."""

_DEFAULTS: Mapping[str, Config] = {
    "UNet2DConditionModel": {
        "cross_attention_dim": 1280,
        "in_channels": 4,
        "layers_per_block": 2,
        "out_channels": 4,
    },
    "ControlNetModel": {"cross_attention_dim": 1280, "in_channels": 4, "layers_per_block": 2},
    "AutoencoderKL": {
        "in_channels": 3,
        "latent_channels": 4,
        "layers_per_block": 1,
        "out_channels": 3,
    },
    "CLIPTextModel": {"max_position_embeddings": 77, "vocab_size": 49408},
    "CLIPTextModelWithProjection": {"max_position_embeddings": 77, "vocab_size": 49408},
}
"""The classes' defaults for missing options; a config always has the lists of blocks."""


def _with_bias(name: str, *weight: int) -> Iterator[Parameter]:
    yield f"{name}.weight", weight
    yield f"{name}.bias", weight[:1]


def _norm(name: str, width: int) -> Iterator[Parameter]:
    yield from _with_bias(name, width)


def _resnet(name: str, width_in: int, width: int, time: int | None = None) -> Iterator[Parameter]:
    yield from _norm(f"{name}.norm1", width_in)
    yield from _with_bias(f"{name}.conv1", width, width_in, 3, 3)
    if time:
        yield from _with_bias(f"{name}.time_emb_proj", width, time)
    yield from _norm(f"{name}.norm2", width)
    yield from _with_bias(f"{name}.conv2", width, width, 3, 3)
    if width_in != width:
        yield from _with_bias(f"{name}.conv_shortcut", width, width_in, 1, 1)


def _attention(name: str, width: int, context: int) -> Iterator[Parameter]:
    yield f"{name}.to_q.weight", (width, width)
    yield f"{name}.to_k.weight", (width, context)
    yield f"{name}.to_v.weight", (width, context)
    yield from _with_bias(f"{name}.to_out.0", width, width)


def _transformer(name: str, width: int, depth: int, config: Config) -> Iterator[Parameter]:
    kernel = () if config.get("use_linear_projection") else (1, 1)
    yield from _norm(f"{name}.norm", width)
    yield from _with_bias(f"{name}.proj_in", width, width, *kernel)
    for layer in range(depth):
        block = f"{name}.transformer_blocks.{layer}"
        for number in (1, 2, 3):
            yield from _norm(f"{block}.norm{number}", width)
        yield from _attention(f"{block}.attn1", width, width)
        yield from _attention(f"{block}.attn2", width, _whole(config, "cross_attention_dim"))
        yield from _with_bias(f"{block}.ff.net.0.proj", 8 * width, width)
        yield from _with_bias(f"{block}.ff.net.2", width, 4 * width)
    yield from _with_bias(f"{name}.proj_out", width, width, *kernel)


def _whole(config: Config, name: str) -> int:
    return read_field(config, name, int)


def _per_level(config: Config, name: str, levels: int) -> tuple[int, ...]:
    if isinstance(config[name], (list, tuple)):
        return read_field(config, name, tuple[int, ...])
    return (_whole(config, name),) * levels


def _unet(config: Config) -> Iterator[Parameter]:
    yield from _unet_encoder(config)
    widths, depths = _levels(config)
    yield from _unet_up(config, widths, depths, 4 * widths[0])
    yield from _norm("conv_norm_out", widths[0])
    yield from _with_bias("conv_out", _whole(config, "out_channels"), widths[0], 3, 3)


def _levels(config: Config) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return channels and transformer blocks of every level."""
    widths = read_field(config, "block_out_channels", tuple[int, ...])
    return widths, _per_level(
        {"transformer_layers_per_block": 1, **config}, "transformer_layers_per_block", len(widths)
    )


def _unet_encoder(config: Config) -> Iterator[Parameter]:
    """List the down path and the middle, which a ControlNet has under the same names."""
    widths, depths = _levels(config)
    time = 4 * widths[0]
    yield from _with_bias("conv_in", widths[0], _whole(config, "in_channels"), 3, 3)
    yield from _with_bias("time_embedding.linear_1", time, widths[0])
    yield from _with_bias("time_embedding.linear_2", time, time)
    if config.get("time_cond_proj_dim"):
        yield "time_embedding.cond_proj.weight", (widths[0], _whole(config, "time_cond_proj_dim"))
    if config.get("addition_embed_type") == "text_time":
        added = _whole(config, "projection_class_embeddings_input_dim")
        yield from _with_bias("add_embedding.linear_1", time, added)
        yield from _with_bias("add_embedding.linear_2", time, time)
    yield from _unet_down(config, widths, depths, time)
    yield from _resnet("mid_block.resnets.0", widths[-1], widths[-1], time)
    yield from _transformer("mid_block.attentions.0", widths[-1], depths[-1], config)
    yield from _resnet("mid_block.resnets.1", widths[-1], widths[-1], time)


def _unet_down(
    config: Config, widths: tuple[int, ...], depths: tuple[int, ...], time: int
) -> Iterator[Parameter]:
    layers = _per_level(config, "layers_per_block", len(widths))
    width_in = widths[0]
    kinds = read_field(config, "down_block_types", tuple[str, ...])
    for level, (kind, width) in enumerate(zip(kinds, widths, strict=True)):
        block = f"down_blocks.{level}"
        for layer in range(layers[level]):
            yield from _resnet(f"{block}.resnets.{layer}", width_in, width, time)
            if kind.startswith("CrossAttn"):
                yield from _transformer(f"{block}.attentions.{layer}", width, depths[level], config)
            width_in = width
        if level < len(widths) - 1:
            yield from _with_bias(f"{block}.downsamplers.0.conv", width, width, 3, 3)


def _unet_up(
    config: Config, widths: tuple[int, ...], depths: tuple[int, ...], time: int
) -> Iterator[Parameter]:
    layers = _per_level(config, "layers_per_block", len(widths))[::-1]
    back, back_depths = widths[::-1], depths[::-1]
    before = back[0]
    kinds = read_field(config, "up_block_types", tuple[str, ...])
    for level, (kind, width) in enumerate(zip(kinds, back, strict=True)):
        block = f"up_blocks.{level}"
        below = back[min(level + 1, len(back) - 1)]
        for layer in range(layers[level] + 1):
            skip = below if layer == layers[level] else width
            yield from _resnet(f"{block}.resnets.{layer}", before + skip, width, time)
            if kind.startswith("CrossAttn"):
                depth = back_depths[level]
                yield from _transformer(f"{block}.attentions.{layer}", width, depth, config)
            before = width
        if level < len(back) - 1:
            yield from _with_bias(f"{block}.upsamplers.0.conv", width, width, 3, 3)


def _vae(config: Config) -> Iterator[Parameter]:
    widths = read_field(config, "block_out_channels", tuple[int, ...])
    latent, layers = _whole(config, "latent_channels"), _whole(config, "layers_per_block")
    channels_in, channels_out = _whole(config, "in_channels"), _whole(config, "out_channels")
    yield from _vae_side("encoder", "down", widths, layers, channels_in, 2 * latent)
    yield from _with_bias("quant_conv", 2 * latent, 2 * latent, 1, 1)
    yield from _with_bias("post_quant_conv", latent, latent, 1, 1)
    yield from _vae_side("decoder", "up", widths[::-1], layers + 1, latent, channels_out)


def _vae_side(
    side: str, way: str, widths: tuple[int, ...], layers: int, channels_in: int, channels_out: int
) -> Iterator[Parameter]:
    before, middle = widths[0], widths[-1] if side == "encoder" else widths[0]
    yield from _with_bias(f"{side}.conv_in", before, channels_in, 3, 3)
    for level, width in enumerate(widths):
        block = f"{side}.{way}_blocks.{level}"
        for layer in range(layers):
            yield from _resnet(f"{block}.resnets.{layer}", before, width)
            before = width
        if level < len(widths) - 1:
            yield from _with_bias(f"{block}.{way}samplers.0.conv", width, width, 3, 3)
    yield from _resnet(f"{side}.mid_block.resnets.0", middle, middle)
    yield from _norm(f"{side}.mid_block.attentions.0.group_norm", middle)
    for part in ("to_q", "to_k", "to_v", "to_out.0"):
        yield from _with_bias(f"{side}.mid_block.attentions.0.{part}", middle, middle)
    yield from _resnet(f"{side}.mid_block.resnets.1", middle, middle)
    yield from _norm(f"{side}.conv_norm_out", widths[-1])
    yield from _with_bias(f"{side}.conv_out", channels_out, widths[-1], 3, 3)


def _clip_text(config: Config) -> Iterator[Parameter]:
    width, inner = _whole(config, "hidden_size"), _whole(config, "intermediate_size")
    yield "text_model.embeddings.token_embedding.weight", (_whole(config, "vocab_size"), width)
    positions = _whole(config, "max_position_embeddings")
    yield "text_model.embeddings.position_embedding.weight", (positions, width)
    for number in range(_whole(config, "num_hidden_layers")):
        layer = f"text_model.encoder.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _with_bias(f"{layer}.self_attn.{part}", width, width)
        yield from _norm(f"{layer}.layer_norm1", width)
        yield from _norm(f"{layer}.layer_norm2", width)
        yield from _with_bias(f"{layer}.mlp.fc1", inner, width)
        yield from _with_bias(f"{layer}.mlp.fc2", width, inner)
    yield from _norm("text_model.final_layer_norm", width)


def _clip_text_projected(config: Config) -> Iterator[Parameter]:
    yield from _clip_text(config)
    yield (
        "text_projection.weight",
        (
            _whole(config, "projection_dim"),
            _whole(config, "hidden_size"),
        ),
    )


_CLASSES: Mapping[str, Callable[[Config], Iterator[Parameter]]] = {
    "UNet2DConditionModel": _unet,
    "ControlNetModel": _unet_encoder,
    "AutoencoderKL": _vae,
    "CLIPTextModel": _clip_text,
    "CLIPTextModelWithProjection": _clip_text_projected,
}
