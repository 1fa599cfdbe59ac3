"""Writes what training made as one file: the weights in float16, and the words that have any."""

from __future__ import annotations

from pathlib import Path

import torch

from sdcoreml.convert.models.sample import EMBEDDINGS, WORDS
from tools.sample.training import Trained

ROWS = f"text_encoder.{EMBEDDINGS}"


def store(trained: Trained, path: Path) -> int:
    """Write a safetensors file; returns its size in bytes. Names begin with their component's."""
    from safetensors.torch import save

    from sdcoreml.ground.aside import file_aside

    parts = {"text_encoder": trained.encoder, "unet": trained.unet, "vae": trained.vae}
    tensors = {
        f"{component}.{name}": values.to(torch.float16).contiguous()
        for component, module in parts.items()
        for name, values in module.state_dict().items()
        if values.is_floating_point()
    }
    tensors[ROWS] = tensors[ROWS][1:].contiguous()
    tensors[WORDS] = trained.words.known.to(torch.int32)
    content = save(tensors)
    with file_aside(path) as handle, open(handle, "wb", closefd=False) as stream:
        stream.write(content)
    return len(content)
