"""Odd text encoders and tokenizers: depth, old and new names, added words, vocabularies."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes

V, EPSILON = "v_prediction", "epsilon"


def open_clip(at: Path, blocks: int, *, projection: bool) -> Path:
    """Write an SD 2.x file whose text encoder has `blocks` blocks; real files have 24."""
    tensors = base.original("sd2", blocks=blocks - 1)
    if not projection:
        tensors = {n: t for n, t in tensors.items() if not n.endswith("text_projection")}
    else:
        tensors["cond_stage_model.model.logit_scale"] = np.array(4.6, "f2")
    content = base.safetensors(tensors, {"modelspec.prediction_type": EPSILON})
    return base.write_file(at, content=content)


def sgm(at: Path, family: str = "sd2", metadata: dict[str, str] | None = None) -> Path:
    """Write a single file with the tensor names of Stability's newer code (`conditioner.`)."""
    names = {"cond_stage_model.": "conditioner.embedders.0."}
    tensors = {}
    for name, tensor in base.original(family).items():
        for old, new in names.items():
            name = name.replace(old, new)  # noqa: PLW2901
        tensors[name] = tensor
    return base.write_file(at, content=base.safetensors(tensors, metadata))


def deeper(at: Path, config: int, blocks: int) -> Path:
    """Write a text encoder whose config states `config` blocks, while its weights have `blocks`."""
    model = base.write_folder(at / "model")
    tensors = base.tensors_of(base.TEXT | {"num_hidden_layers": blocks})
    base.write(base.weights(model, "text_encoder"), base.safetensors(tensors))
    base.edit(model / "text_encoder" / "config.json", num_hidden_layers=config)
    return model


def with_words(at: Path, *words: str, rows: bool = True) -> Path:
    """Write a folder with added tokens; with `rows`, the text encoder has embeddings for them."""
    model = base.write_folder(at / "model")
    first = len(base.WORDS)
    base.write(
        model / "tokenizer" / "added_tokens.json",
        dict(zip(words, range(first, first + len(words)), strict=True)),
    )
    if rows:
        config = base.TEXT | {"vocab_size": first + len(words)}
        base.write(model / "text_encoder" / "config.json", config)
        base.write(base.weights(model, "text_encoder"), base.safetensors(base.tensors_of(config)))
    return model


def with_tokenizer(at: Path, family: str = "sd1", **files: Any) -> Path:
    """Write a folder with other tokenizer files (`vocab__json` is vocab.json; `None` removes)."""
    model = base.write_folder(at / "model", family)
    for name, content in files.items():
        place = model / "tokenizer" / name.replace("__", ".")
        if content is None:
            place.unlink()
        else:
            base.write(place, content)
    return model


VOCABULARY: dict[str, int] = {word: number for number, word in enumerate(base.WORDS)}
MODEL = {
    "type": "BPE",
    "unk_token": "<|endoftext|>",
    "end_of_word_suffix": "</w>",
    "vocab": VOCABULARY,
    "merges": list(base.MERGES),
}
FAST: dict[str, Any] = {
    "version": "1.0",
    "added_tokens": [
        {"id": len(base.WORDS) - 2, "content": "<|startoftext|>", "special": True},
        {"id": len(base.WORDS) - 1, "content": "<|endoftext|>", "special": True},
    ],
    "model": MODEL,
}

CASES: tuple[Case, ...] = (
    # Text encoders
    *(
        yes(
            f"open-clip-{blocks}-blocks-{'with' if projection else 'without'}-projection",
            partial(open_clip, blocks=blocks, projection=projection),
            "SD 2.x uses 23 of OpenCLIP's 24 blocks",
            makes={"text_blocks": 23},
        )
        for blocks in (24, 23)
        for projection in (True, False)
    ),
    yes(
        "sd2-in-newer-names",
        partial(sgm, metadata={"modelspec.prediction_type": V}),
        "SD 2.x by the names of SDXL's refiner, and no refiner",
        family="sd2_v",
        makes={"prediction": V},
    ),
    yes("sd1-in-newer-names", partial(sgm, family="sd1"), "SD 1.x in those names", family="sd1"),
    yes(
        "config-counts-fewer-blocks",
        partial(deeper, config=2, blocks=3),
        "clip skip done in the config; the library leaves the last block aside",
        makes={"text_blocks": 2},
    ),
    no(
        "config-counts-more-blocks",
        partial(deeper, config=3, blocks=2),
        Why.CONFIG,
        "a block lacks",
    ),
    # Words
    yes(
        "added-word",
        lambda at: with_words(at, "<cat>"),
        "one more word",
        makes={"words": ["<cat>"]},
    ),
    yes(
        "added-words",
        lambda at: with_words(at, "<cat>", "<dog>", "sks"),
        "three more words",
        makes={"words": ["<cat>", "<dog>", "sks"]},
    ),
    yes(
        "added-word-with-space",
        lambda at: with_words(at, "my cat"),
        "a word with a space, which nobody can type in an app",
        says="my cat",
    ),
    no(
        "added-word-without-row",
        lambda at: with_words(at, "<cat>", rows=False),
        Why.TOKENIZER,
        "a word that the text encoder has no row for",
        also=Can.YES,
    ),
    yes(
        "tokenizer-json-only",
        partial(with_tokenizer, vocab__json=None, merges__txt=None, tokenizer__json=FAST),
        "the fast tokenizer's file alone, which holds both",
    ),
    yes("tokenizer-json-too", partial(with_tokenizer, tokenizer__json=FAST), "both forms"),
    no("no-merges", partial(with_tokenizer, merges__txt=None), Why.TOKENIZER, "no merges.txt"),
    no("no-vocabulary", partial(with_tokenizer, vocab__json=None), Why.TOKENIZER, "no vocab.json"),
    no(
        "vocabulary-without-end",
        partial(with_tokenizer, vocab__json={"a": 0, "b": 1}),
        Why.TOKENIZER,
        "no end token",
    ),
    no(
        "vocabulary-of-another",
        partial(with_tokenizer, vocab__json=VOCABULARY | {"far": 60_000}),
        Why.TOKENIZER,
        "ids beyond the text encoder's rows",
    ),
    yes(
        "pads-otherwise",
        partial(with_tokenizer, special_tokens_map__json={"pad_token": "!"}),
        "SD 1.x that pads as SD 2.x does",
        makes={"pad_id": 0},
    ),
    yes(
        "windows-merges",
        partial(with_tokenizer, merges__txt="\r\n".join(("#version: 0.2", *base.MERGES, ""))),
        "merges.txt with Windows' line ends",
    ),
)
