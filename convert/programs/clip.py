"""Builds a transformer layer of CLIP's text and vision models."""

from __future__ import annotations

from dataclasses import dataclass

from sdcoreml.convert.programs.attention import Heads, Projections, attention, mask_scores
from sdcoreml.convert.programs.config import ConfigReader
from sdcoreml.convert.programs.graph import Graph
from sdcoreml.convert.programs.inference import Var
from sdcoreml.convert.programs.layers import ACTIVATIONS, add, conv, layer_norm
from sdcoreml.ground.errors import UnsupportedError

NAMES = Projections(query="q_proj", key="k_proj", value="v_proj", out="out_proj", is_biased=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLayer:
    """A layer's feed-forward width, number of heads, activation (as in the config) and epsilon."""

    inner: int
    heads: int
    activation: str
    eps: float


def read_layer(reader: ConfigReader) -> ClipLayer:
    """Read the settings of a CLIP model's layers from its config.

    Raises:
        UnsupportedError: it names an activation that cannot be built.
        BadInputError: it lacks a required option.
    """
    reader.require("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    activation = reader.read("hidden_act", str, "quick_gelu")
    if activation not in ACTIVATIONS:
        raise UnsupportedError(
            f"config.json has hidden_act={activation!r}",
            where=reader.component,
            remedy=f"this converter builds {', '.join(ACTIVATIONS)}",
        )
    return ClipLayer(
        inner=reader.read("intermediate_size", int),
        heads=reader.read("num_attention_heads", int),
        activation=activation,
        eps=reader.read("layer_norm_eps", float, 1e-5),
    )


def clip_layer(g: Graph, layer: ClipLayer, x: Var, path: str, mask: Var | None = None) -> Var:
    """Add attention and feed-forward to `x` (B, C, 1, S); `mask` is added to the scores."""
    h = layer_norm(g, x, f"{path}.layer_norm1", eps=layer.eps)
    heads = Heads(count=layer.heads, layout=mask_scores(mask), names=NAMES)
    x = add(g, x, attention(g, h, h, f"{path}.self_attn", heads))
    h = layer_norm(g, x, f"{path}.layer_norm2", eps=layer.eps)
    h = ACTIVATIONS[layer.activation](g, conv(g, h, f"{path}.mlp.fc1", layer.inner))
    return add(g, x, conv(g, h, f"{path}.mlp.fc2", x.shape[1]))
