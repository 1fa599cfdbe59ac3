"""The vocabulary for single files equals that of the pinned CLIP tokenizers."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from transformers import CLIPTokenizer, CLIPTokenizerFast

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.tokenizer import PADS, TokenizerSource
from sdcoreml.convert.models.vocabulary import vocabulary_folder

START, END = 49406, 49407
PROMPTS = [
    "a photo of a cat",
    "A Photo, of: a CAT!!  in the (rain:1.2), 8k",
    "na\u00efve caf\u00e9 \u732b \U0001f63a it's 1234 don't <cat-toy>",
    "",
    "word " * 100,
]


@pytest.fixture
def folders(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Path]:
    for name, content in TokenizerSource(folder=vocabulary_folder()).files(request.param).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        data = content if isinstance(content, bytes) else content.read_bytes()
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in PADS[request.param]}


@pytest.mark.parametrize("folders", list(PADS), indirect=True, ids=lambda family: family.name)
def test_both_forms_load_it_and_encode_alike(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        slow = CLIPTokenizer.from_pretrained(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fast = CLIPTokenizerFast.from_pretrained(folder)
        assert len(slow) == len(fast) == 49408
        for prompt in PROMPTS:
            given = {"padding": "max_length", "truncation": True, "max_length": 77}
            assert slow(prompt, **given).input_ids == fast(prompt, **given).input_ids


@pytest.mark.parametrize(
    ("folders", "pads"),
    [
        (Family.SD1, {"tokenizer": END}),
        (Family.SD2_V, {"tokenizer": 0}),
        (Family.SDXL, {"tokenizer": END, "tokenizer_2": 0}),
        (Family.SDXL_REFINER, {"tokenizer_2": 0}),
    ],
    indirect=["folders"],
)
def test_a_known_prompt_has_its_known_tokens(
    folders: dict[str, Path], pads: dict[str, int]
) -> None:
    for name, pad in pads.items():
        tokenizer = CLIPTokenizer.from_pretrained(folders[name])
        found = tokenizer("a photo of a cat", padding="max_length").input_ids
        assert found == [START, 320, 1125, 539, 320, 2368, END, *([pad] * 70)]
