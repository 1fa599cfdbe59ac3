"""The text encoders: CLIP-L, OpenCLIP-H and OpenCLIP-bigG, last or penultimate layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.references.inputs import Feeds


def encoder(config: Mapping[str, Any]) -> torch.nn.Module:
    """CLIP's text transformer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig.from_dict(dict(config)))


def projecting_encoder(config: Mapping[str, Any]) -> torch.nn.Module:
    """CLIP's text transformer with its projection to the space it shares with images."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    return CLIPTextModelWithProjection(CLIPTextConfig.from_dict(dict(config)))


def encode(
    module: torch.nn.Module, feeds: Feeds, options: ProgramOptions
) -> dict[str, torch.Tensor]:
    """The states of every token, as SD 1.x and 2.x or as SDXL read them, and the pooled state.

    `hidden_embeds` is what enters the last layer, without the final norm. `pooled_outputs` is
    projected where the module has a projection. Of the options, `clip_skip` (2 leaves out the last
    layer, 3 the last two) and `pad_id` count, which takes the place of every token after the
    first end token, because the runtimes always pad with the end token.
    """
    (numbers,) = feeds.values()
    ids = _padded(numbers.long(), options.pad_id)
    result = module(ids, output_hidden_states=True)
    skip = options.clip_skip - 1
    last = result.last_hidden_state
    if skip:
        last = module.text_model.final_layer_norm(result.hidden_states[-1 - skip])
    pooled = result.text_embeds if "text_embeds" in result else result.pooler_output
    if skip:
        pooled = last[torch.arange(len(ids)), ids.argmax(-1)]
    return {
        "last_hidden_state": last,
        "hidden_embeds": result.hidden_states[-2 - skip],
        "pooled_outputs": pooled,
    }


def _padded(ids: torch.Tensor, pad: int | None) -> torch.Tensor:
    """The ids with `pad` after the first end token, which has the largest id of a row."""
    if pad is None:
        return ids
    places = torch.arange(ids.shape[1])
    return torch.where(places > ids.argmax(-1, keepdim=True), pad, ids)
