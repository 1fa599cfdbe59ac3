"""Caches the outputs of a torch module: programs that differ in attention need the same ones."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from safetensors.torch import load_file, save_file

from sdcoreml.convert.certificates.architecture import options_in_key
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.references.components import Outputs, Reference
from sdcoreml.convert.references.inputs import Feeds

Module: TypeAlias = Any
"""A torch module; `Any`, since torch is imported only when needed."""


def remember(original: Reference, module: str, folder: Path) -> Reference:
    """Wrap a reference so that its outputs are cached in `folder`.

    Args:
        original: computes outputs that are not cached yet.
        module: identifies architecture and weights, to keep the outputs of modules apart.
        folder: for the cache, safetensors files named by a digest of module and inputs.
    """

    def call(built: Module, feeds: Feeds, options: ProgramOptions) -> Outputs:
        place = folder / f"{module}-{_question(feeds, options)}.safetensors"
        if place.exists():
            return load_file(place)
        answer = original.call(built, feeds, options)
        unfinished = place.with_suffix(f".{os.getpid()}")
        save_file({name: tensor.contiguous() for name, tensor in answer.items()}, unfinished)
        unfinished.replace(place)
        return answer

    return replace(original, call=call)


def _question(feeds: Feeds, options: ProgramOptions) -> str:
    digest = hashlib.sha256(json.dumps(options_in_key(options), sort_keys=True).encode())
    for name, tensor in sorted(feeds.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy())
    return digest.hexdigest()
