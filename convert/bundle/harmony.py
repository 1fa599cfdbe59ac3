"""Checks that components of a model that are sound by themselves also fit each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.bundle.tokenizer import read_tokenizer, tokenizer_folder
from sdcoreml.convert.models.alike import one_for_all
from sdcoreml.convert.models.words import parse_vocabulary
from sdcoreml.ground.errors import Fault, SdcoremlError, UnsupportedError

ENCODERS = ("text_encoder", "text_encoder_2")
"""The text encoders; the UNet's cross attention reads their outputs, concatenated."""

Configs = Mapping[str, Mapping[str, object]]


def harmony_faults(configs: Configs, path: Path) -> Iterator[Fault]:
    """Yield a fault if the UNet's text width differs from that of all text encoders together.

    `configs` maps components to their parsed config.json. If a config lacks the width, the default
    of the pinned library's class counts.
    """
    stated = [configs[name].get("hidden_size", 512) for name in ENCODERS if name in configs]
    widths = [width for width in stated if isinstance(width, int)]
    unet = configs.get("unet")
    if unet is None or not widths or len(widths) < len(stated):
        return
    read = one_for_all(unet.get("cross_attention_dim", 1280))
    if read != sum(widths):
        what = (
            f"the UNet takes text states of width {read}, but its text encoder gives {sum(widths)}"
        )
        remedy = "take the UNet and the text encoder from the same model"
        error = UnsupportedError
        yield Fault(where=path, what=what, remedy=remedy, error=error, code="MOD017")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The faults of a model's tokenizer, and notes on its added words."""

    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()


def read_vocabulary(path: Path, configs: Configs) -> Vocabulary:
    """Read the tokenizer of the model folder `path`.

    Faults are whatever the Swift reader would reject, and word ids for which the text encoder's
    embedding table has no row.
    """
    remedy = "take vocab.json and merges.txt of the model's own tokenizer folder"
    folder = tokenizer_folder(path)
    try:
        tokenizer = read_tokenizer(folder)
    except SdcoremlError as error:
        fault = error.fault
        where, what = fault.where, fault.what
        broken = Fault(where=where, what=what, remedy=remedy, error=fault.error, code="MOD019")
        return Vocabulary(faults=(broken,))
    reader = next((name for name in ENCODERS if name in configs), None)
    rows = configs[reader].get("vocab_size", 49408) if reader else None
    largest = max(parse_vocabulary(tokenizer.vocab, folder).values())
    if not isinstance(rows, int) or largest < rows:
        return Vocabulary(notes=tokenizer.notes)
    what = f"the tokenizer has ids up to {largest}, but {reader} embeds only {rows}"
    return Vocabulary(faults=(Fault(where=folder, what=what, remedy=remedy, code="MOD019"),))
