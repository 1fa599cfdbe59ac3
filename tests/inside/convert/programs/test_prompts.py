"""Compares prompts as apps send them with the pinned tokenizer and text encoder.

Both the program and its reference use `programs.prompt`, so they would share its mistakes. Here
the pinned libraries are called as a user would call them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sdcoreml.convert.models.vocabulary import vocabulary_folder
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.prompt import END, SECOND_PAD, restore_prompt
from tests.inside.convert.programs.configs import TEXT
from tests.inside.convert.programs.test_families import assert_equal, package, shaken

SENT = Path(__file__).resolve().parents[5] / "shared" / "golden" / "swift-tokens" / "tokens.json"
PROMPTS = json.loads(SENT.read_text()) if SENT.exists() else []


def tokenised(prompt: str, pad: int) -> list[int]:
    """Return the token ids that the pinned diffusers pipeline makes of a prompt."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(vocabulary_folder())
    ids = tokenizer(prompt, truncation=True, max_length=77).input_ids
    return [*ids, *[pad] * (77 - len(ids))]


@pytest.mark.skipif(not PROMPTS, reason="the recorded prompts are not here")
def test_every_prompt_that_swift_splits_as_transformers_does_gives_the_ids_of_diffusers() -> None:
    comparable = 0
    for prompt in PROMPTS:
        wanted = tokenised(prompt["prompt"], 0)
        words = [one for one in wanted[1:-1] if one not in {END, 0}]
        if prompt["ids"][1 : len(words) + 1] != words:
            continue  # Swift splits at spaces only, and knows no accents
        comparable += 1
        for sent, app_pad in ((prompt["ids"], END), (prompt["ids_pad0"], SECOND_PAD)):
            restored, _ = restore_prompt(sent, end=END, app_pad=app_pad, pad=0)
            assert list(restored) == wanted, prompt["prompt"]
    assert comparable > 140


@pytest.mark.parametrize("program", ["text_encoder", "text_encoder_2"])
@pytest.mark.parametrize("pad", [None, 0, 119])
def test_a_program_reads_cut_and_broken_prompts_as_the_module_reads_whole_ones(
    program: str, pad: int | None, tmp_path: Path
) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    is_second = program == "text_encoder_2"
    kind = CLIPTextModelWithProjection if is_second else CLIPTextModel
    module = shaken(kind(CLIPTextConfig(**{**TEXT, "eos_token_id": 119})))
    path = package(program, module, tmp_path, ProgramOptions(pad_id=pad))
    app_pad = 0 if is_second else 119
    words = [3 + place % 100 for place in range(76)]
    for sent, meant in (
        ([118, *words], [118, *words[:75], 119]),
        (
            [118, 5, 9, 119, *[app_pad] * 73],
            [118, 5, 9, 119, *[pad if pad is not None else app_pad] * 73],
        ),
    ):
        with torch.no_grad():
            result = module(torch.tensor([meant]), output_hidden_states=True)
        expected = (
            {"hidden_embeds": result.hidden_states[-2], "pooled_outputs": result.text_embeds}
            if is_second
            else {
                "last_hidden_state": result.last_hidden_state,
                "pooled_outputs": result.pooler_output,
            }
        )
        assert_equal(path, {"input_ids": torch.tensor([sent]).float()}, expected)
