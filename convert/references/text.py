"""The reference text encoders: CLIP-L, OpenCLIP-H and OpenCLIP-bigG."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.prompt import SECOND_PAD, restore_prompt
from sdcoreml.convert.references.inputs import VOCABULARY, Feeds

LEGACY_END = 2
"""The `eos_token_id` in every SD 1.x config, which is not the id of the end token."""


def encoder(config: Mapping[str, object]) -> torch.nn.Module:
    """Make CLIP's text transformer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig.from_dict(dict(config)))


def projecting_encoder(config: Mapping[str, object]) -> torch.nn.Module:
    """Make CLIP's text transformer with its projection to the space it shares with images."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    return CLIPTextModelWithProjection(CLIPTextConfig.from_dict(dict(config)))


def encode(
    module: torch.nn.Module, feeds: Feeds, options: ProgramOptions
) -> dict[str, torch.Tensor]:
    """Return the states of all tokens, as SD 1.x and 2.x or SDXL use them, and the pooled state.

    The module gets the ids that diffusers would send, which `programs.prompt.restore_prompt`
    derives from those of apps. `hidden_embeds` is the input of the last layer, without the final
    norm. `pooled_outputs` is the state of the end token, projected if the module has a projection.
    The module's own pooled state is not used: it may belong to an unknown character. The options
    used are `clip_skip` (2 leaves out the last layer, 3 the last two) and `pad_id` (the padding
    that the model was trained with).
    """
    (numbers,) = feeds.values()
    config = module.config
    is_second = hasattr(module, "text_projection")
    is_told = LEGACY_END < config.eos_token_id < config.vocab_size
    end = config.eos_token_id if is_told else min(config.vocab_size, VOCABULARY) - 1
    app_pad = SECOND_PAD if is_second else end
    pad = options.pad_id
    rows = [
        restore_prompt(row, end=end, app_pad=app_pad, pad=app_pad if pad is None else pad)
        for row in numbers.long().tolist()
    ]
    result = module(torch.tensor([ids for ids, _ in rows]), output_hidden_states=True)
    skip = options.clip_skip - 1
    last = result.last_hidden_state
    if skip:
        last = module.text_model.final_layer_norm(result.hidden_states[-1 - skip])
    pooled = last[torch.arange(len(rows)), [stop for _, stop in rows]]
    return {
        "last_hidden_state": last,
        "hidden_embeds": result.hidden_states[-2 - skip],
        "pooled_outputs": module.text_projection(pooled) if is_second else pooled,
    }
