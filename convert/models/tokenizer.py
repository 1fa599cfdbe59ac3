"""Finds the CLIP tokenizer's two files for a checkpoint that came without them.

All Stable Diffusion models share them. They are taken from the folder that the user gives, from
next to the checkpoint, or from the package index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.models.configs import tokenizer_config
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.folder_plan import as_json
from sdcoreml.convert.models.vocabulary import MERGES, VOCABULARY, vocabulary_folder
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, silent

END = "<|endoftext|>"

PADS: dict[Family, dict[str, str]] = {
    Family.SD1: {"tokenizer": END},
    Family.SD2_BASE: {"tokenizer": "!"},
    Family.SD2_V: {"tokenizer": "!"},
    Family.SDXL: {"tokenizer": END, "tokenizer_2": "!"},
    Family.SDXL_REFINER: {"tokenizer_2": "!"},
}
"""The tokenizers of each family and their padding token: OpenCLIP's is "!", token 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerSource:
    """The folder that holds vocab.json and merges.txt."""

    folder: Path

    def files(self, family: Family) -> dict[str, Path | bytes]:
        """Return the files for the model's folder: path → content."""
        files: dict[str, Path | bytes] = {}
        for name, pad in PADS[family].items():
            files[f"{name}/{VOCABULARY}"] = self.folder / VOCABULARY
            files[f"{name}/{MERGES}"] = self.folder / MERGES
            files[f"{name}/tokenizer_config.json"] = as_json(tokenizer_config(pad))
        return files


def find_tokenizer(
    checkpoint: Path,
    given: Path | None,
    emit: Emit = silent,
    common: Callable[[Emit], Path] = vocabulary_folder,
) -> TokenizerSource:
    """Find the given tokenizer, or the one next to `checkpoint` or in a folder `tokenizer` there.

    If there is none, use the tokenizer that all models share, in the folder that `common` returns.

    Raises:
        BadInputError: the given folder has no tokenizer.
        SdcoremlError: no tokenizer is found, and it cannot be downloaded.
    """
    beside = checkpoint.parent
    places: Iterable[Path] = (
        (given, given / "tokenizer") if given else (beside, beside / "tokenizer")
    )
    for folder in places:
        if (folder / VOCABULARY).is_file() and (folder / MERGES).is_file():
            return TokenizerSource(folder=folder)
    if given:
        raise BadInputError(
            f"the folder has no {VOCABULARY} and {MERGES}",
            where=given,
            remedy="give the tokenizer/ folder of any Stable Diffusion model in "
            "diffusers' layout, or leave --tokenizer out",
        )
    return TokenizerSource(folder=common(emit))
