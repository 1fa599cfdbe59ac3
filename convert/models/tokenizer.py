"""The CLIP tokenizer's two files, for a checkpoint that came without them.

All Stable Diffusion models share them: they come from where the user says, from beside the
checkpoint, or from the package index.
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
"""The tokenizers of each family and their padding: OpenCLIP's is token 0, which is "!"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerSource:
    """The folder that holds vocab.json and merges.txt."""

    folder: Path

    def files(self, family: Family) -> dict[str, Path | bytes]:
        """The files for the model's folder: path → content."""
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
    """The given tokenizer, or the one beside `checkpoint` or in a folder `tokenizer` there.

    If there is none, the one in the folder `common`, which all models share.

    Raises:
        BadInputError: there is none where the user says.
        SdcoremlError: there is none beside the checkpoint, and none can be fetched.
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
            f"no {VOCABULARY} and {MERGES} there",
            where=given,
            remedy="give the tokenizer/ folder of any Stable Diffusion model in "
            "diffusers' layout, or leave --tokenizer out",
        )
    return TokenizerSource(folder=common(emit))
