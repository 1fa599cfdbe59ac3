from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.convert.bundle.harmony import Configs, harmony_faults, read_vocabulary

TEXT = {"hidden_size": 64, "vocab_size": 3}


@pytest.mark.parametrize(
    ("configs", "faults"),
    [
        ({"unet": {"cross_attention_dim": 64}, "text_encoder": TEXT}, 0),
        ({"unet": {"cross_attention_dim": 96}, "text_encoder": TEXT}, 1),
        ({"unet": {"cross_attention_dim": 128}, "text_encoder": TEXT, "text_encoder_2": TEXT}, 0),
        ({"unet": {"cross_attention_dim": 64}, "text_encoder": TEXT, "text_encoder_2": TEXT}, 1),
        ({"unet": {}, "text_encoder": {}}, 1),
        ({"unet": {}}, 0),
        ({"text_encoder": TEXT}, 0),
    ],
)
def test_the_unet_reads_what_the_encoders_write(configs: Configs, faults: int) -> None:
    found = list(harmony_faults(configs, Path("m")))
    assert [fault.code for fault in found] == ["MOD017"] * faults


@pytest.mark.parametrize(("largest", "faults"), [(2, 0), (3, 1)])
def test_words_must_have_a_row(tmp_path: Path, largest: int, faults: int) -> None:
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": largest}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    found = read_vocabulary(tmp_path, {"text_encoder": TEXT}).faults
    assert [fault.code for fault in found] == ["MOD019"] * faults
    (folder / "vocab.json").unlink()
    (fault,) = read_vocabulary(tmp_path, {"text_encoder": TEXT}).faults
    assert (fault.code, f"{fault}") == (
        "MOD019",
        (
            f"{folder / 'vocab.json'}: no such file; take vocab.json and merges.txt of the model's"
            " own tokenizer folder"
        ),
    )
