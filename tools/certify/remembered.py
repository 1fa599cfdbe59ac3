"""A reference that answers a question once: programs that differ in attention ask the same."""

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
"""A torch module: torch is not imported before it is needed."""


def remember(original: Reference, module: str, folder: Path) -> Reference:
    """The reference with its answers kept in `folder`.

    Args:
        original: answers what has not been asked before.
        module: names its architecture and weights; answers of another one are not mistaken for its.
        folder: where to keep them, safetensors files of a name that the question determines.
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
