"""Adds textual inversions to a model's vocabulary and to its text encoders' embedding tables.

A learned vector becomes a new row of the table and a new word of the vocabulary, written `<name>`;
further vectors are `<name_1>`, `<name_2>` and so on. Apple's tokenizer supports no added tokens:
see `words`. The merges that are added begin with `<`, so they do not affect other words.
transformers finds the word in `added_tokens.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sdcoreml.convert.models.folder_plan import ComponentFiles, FolderPlan, as_json
from sdcoreml.convert.models.vocabulary import MERGES, VOCABULARY
from sdcoreml.convert.models.words import LONGEST_WORD, WORD_END, add_words, parse_vocabulary
from sdcoreml.convert.weights.cast import cast_block
from sdcoreml.convert.weights.gather import gather
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.writer import Computed
from sdcoreml.ground.advice import command
from sdcoreml.ground.codec import shown
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, decode, read_bytes

TABLE = "text_model.embeddings.token_embedding.weight"
TOKENIZERS: Mapping[str, str] = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2"}
ENCODERS: Mapping[str, str] = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}
"""Maps tensor names in SDXL embeddings to components; other names mean the first encoder."""

END_OF_TEXT = "<|endoftext|>"
_MOST_VECTORS = 1000
"""The most vectors that an embedding may have; a prompt has room for 75."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A textual inversion; `vectors` maps components to tensors of shape (vectors, width)."""

    path: Path
    name: str
    vectors: Mapping[str, TensorInfo]

    def words(self, count: int) -> list[str]:
        """Return the words to type for the vectors, in order."""
        return [f"<{self.name}{f'_{number}' if number else ''}>" for number in range(count)]


def read_embedding(path: Path, name: str | None = None) -> Embedding:
    """Read the textual inversion in the file at `path`, named `name` or else after the file.

    Raises:
        BadInputError: the file is not a textual inversion, or no tokenizer can use the name.
    """
    tensors = {tensor.name: tensor for tensor in open_checkpoint(path).tensors}
    vectors = {
        ENCODERS.get(key, "text_encoder"): _as_rows(tensor)
        for key, tensor in tensors.items()
        if len(tensor.shape) in (1, 2)
    }
    if len(vectors) != len(tensors):
        raise BadInputError(
            "not a textual inversion",
            where=path,
            remedy=f"see what {command('inspect', path)} says",
        )
    name = (name or path.stem).lower().strip("<>")
    if len(name) > LONGEST_WORD or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise BadInputError(
            f"{shown(name)} cannot be used as a word in prompts",
            where=path,
            remedy=f"give a name of at most {LONGEST_WORD} letters, digits, - and _ as FILE:NAME",
        )
    if any(rows.shape[0] > _MOST_VECTORS for rows in vectors.values()):
        raise BadInputError(
            "has more vectors than a prompt has room for", where=path, remedy="give another file"
        )
    return Embedding(path=path, name=name, vectors=vectors)


def _as_rows(tensor: TensorInfo) -> TensorInfo:
    if len(tensor.shape) == 2:  # noqa: PLR2004  a matrix already
        return tensor
    stride = (0, *tensor.stride) if tensor.stride else None
    return replace(tensor, shape=(1, *tensor.shape), stride=stride)


def add_embedding(plan: FolderPlan, embedding: Embedding) -> FolderPlan:
    """Return `plan` with the embedding's vectors in its tables and its words in its vocabularies.

    Raises:
        BadInputError: the embedding was made for another model, or its word already exists.
    """
    parts, files = dict(plan.parts), dict(plan.files)
    encoders = [name for name in TOKENIZERS if name in parts]
    if set(encoders) != embedding.vectors.keys():
        raise BadInputError(
            (
                f"it has vectors for {', '.join(sorted(embedding.vectors))}, but the "
                f"model has {', '.join(encoders)}"
            ),
            where=embedding.path,
            remedy="this embedding was made for another model",
        )
    for component in encoders:
        vectors = embedding.vectors[component]
        words = embedding.words(vectors.shape[0])
        rows, parts[component] = _extend(parts[component], vectors, embedding.path)
        folder = TOKENIZERS[component]
        ids = {word: rows + number for number, word in enumerate(words)}
        end = _add_words(files, folder, ids, embedding.path)
        # The pooled output is read at the largest id, unless the config names the end token.
        config = {**parts[component].config, "eos_token_id": end}
        parts[component] = replace(parts[component], config=config)
        files[f"{component}/config.json"] = as_json(config)
    typed = " ".join(embedding.words(max(one.shape[0] for one in embedding.vectors.values())))
    note = f"for {embedding.path.name} type {typed} in a prompt, with a space before : > _"
    return replace(plan, parts=parts, files=files, notes=(*plan.notes, note))


def _extend(part: ComponentFiles, vectors: TensorInfo, path: Path) -> tuple[int, ComponentFiles]:
    """Append `vectors` to a part's table; return the old number of rows, and the longer part."""
    table = next(tensor for tensor in part.tensors if tensor.name == TABLE)
    rows, width = table.shape
    if vectors.shape[1] != width:
        raise BadInputError(
            f"its vectors have width {vectors.shape[1]}, but the model's have {width}",
            where=path,
            remedy="this embedding was made for another model",
        )
    longer = Computed(
        name=TABLE,
        dtype=table.dtype,
        shape=(rows + vectors.shape[0], width),
        blocks=partial(_rows_of, table, vectors),
    )
    tensors = tuple(longer if tensor is table else tensor for tensor in part.tensors)
    config = {**part.config, "vocab_size": longer.shape[0]}
    return rows, replace(part, tensors=tensors, config=config, whole=None)


def _rows_of(table: TensorInfo | Computed, vectors: TensorInfo) -> Iterator[memoryview]:
    yield from table.blocks() if isinstance(table, Computed) else gather(table)
    for block in gather(vectors):
        same = vectors.dtype == table.dtype
        yield block if same else cast_block(block, vectors.dtype, table.dtype)[0]


def _add_words(
    files: dict[str, Path | bytes], folder: str, ids: Mapping[str, int], path: Path
) -> int:
    """Add the words to the tokenizer's files; return the id of the token that ends a text."""
    vocabulary = {**parse_vocabulary(*_content(files, f"{folder}/{VOCABULARY}", path))}
    merges = decode(*_content(files, f"{folder}/{MERGES}", path)).splitlines()
    added = f"{folder}/added_tokens.json"
    tokens = {**parse_vocabulary(*_content(files, added, path))} if added in files else {}
    for word in ids:
        if word + WORD_END in vocabulary or word in tokens:
            raise BadInputError(
                f"the word {word} already exists",
                where=path,
                remedy="give another name as FILE:NAME",
            )
    add_words(vocabulary, merges, ids)
    tokens |= ids
    text = json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":"))
    files[f"{folder}/{VOCABULARY}"] = text.encode()
    files[f"{folder}/{MERGES}"] = ("\n".join(merges) + "\n").encode()
    files[added] = as_json(tokens)
    return int(vocabulary.get(END_OF_TEXT, 2))


def _content(files: Mapping[str, Path | bytes], name: str, path: Path) -> tuple[bytes, str | Path]:
    """Return the content of one of the tokenizer's files, and its name for errors."""
    found = files.get(name)
    if found is None:
        raise BadInputError(
            f"the model has no {name} to add a word to", where=path, remedy="add its tokenizer"
        )
    if isinstance(found, Path):
        return read_bytes(found, Document.VOCABULARY), found
    return found, name
