"""Whether the components of a model fit each other, which no component shows by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.tokenizer import read_tokenizer, tokenizer_folder
from sdcoreml.ground.errors import Fault, SdcoremlError, UnsupportedError

ENCODERS = ("text_encoder", "text_encoder_2")
"""The UNet's cross attention reads the outputs of all of these, concatenated."""

Configs = Mapping[str, Mapping[str, Any]]


def harmony_faults(configs: Configs, path: Path) -> Iterator[Fault]:
    """The fault if the UNet reads text of another width than the text encoders write together.

    Widths missing from a config are the defaults of the pinned libraries' classes; `configs` maps
    components to their parsed config.json.
    """
    widths = [configs[name].get("hidden_size", 512) for name in ENCODERS if name in configs]
    unet = configs.get("unet")
    if unet is None or not widths or not all(isinstance(width, int) for width in widths):
        return
    read = unet.get("cross_attention_dim", 1280)
    if read != sum(widths):
        what = f"the UNet reads texts {read} wide, and the text encoder writes {sum(widths)}"
        remedy = "take the UNet and the text encoder from the same model"
        error = UnsupportedError
        yield Fault(where=path, what=what, remedy=remedy, error=error, code="MOD017")


def vocabulary_faults(path: Path, configs: Configs) -> Iterator[Fault]:
    """What the Swift reader would reject in the tokenizer of the model folder `path`.

    Also words whose id is beyond the embedding table of the text encoder that reads them.
    """
    remedy = "take vocab.json and merges.txt of the model's own tokenizer folder"
    folder = tokenizer_folder(path)
    try:
        vocabulary = json.loads(read_tokenizer(folder).vocab)
    except SdcoremlError as error:
        fault = error.fault
        where, what = fault.where, fault.what
        yield Fault(where=where, what=what, remedy=remedy, error=fault.error, code="MOD019")
        return
    reader = next((name for name in ENCODERS if name in configs), None)
    rows = configs[reader].get("vocab_size", 49408) if reader else None
    largest = max(vocabulary.values())
    if isinstance(rows, int) and largest >= rows:
        what = f"the tokenizer numbers words up to {largest}, and {reader} has {rows} rows"
        yield Fault(where=folder, what=what, remedy=remedy, code="MOD019")
