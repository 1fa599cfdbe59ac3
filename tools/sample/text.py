"""Trains the text encoder to say what captions name, in the states of the padding behind them.

Most of the 77 positions are padding, and their states all say the same: while the UNet is trained,
one of them stands for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from torch.nn import functional

from sdcoreml.convert.models.vocabulary import MERGES, VOCABULARY
from tools.sample.loop import Stage
from tools.sample.modules import make_text_encoder
from tools.sample.scenes import COLOURS, SHAPES, Scene, make_scene, seeded, trained

STEPS = 1500
BATCH = 48
LENGTH = 77
BEFORE = 20
"""Positions that no caption reaches beyond; all later ones are padding."""
SHORT = BEFORE + 4
"""The length of most training texts; every fourth step has whole ones."""
UNKNOWN = 0
"""The row of every word that no caption has: zeros."""
STRANGERS = 0.2
"""The share of captions with a word put in that none of them has, to be overlooked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of captions, by their numbers in CLIP's vocabulary; all others are row 0."""

    tokenizer: transformers.CLIPTokenizer
    known: torch.Tensor

    def rows(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the rows of the embeddings for some texts: int64, (n, 77)."""
        ids = torch.tensor(_numbers(self.tokenizer, texts))
        rows = torch.searchsorted(self.known, ids).clamp(max=len(self.known) - 1)
        return torch.where(self.known[rows] == ids, rows + 1, UNKNOWN)

    def make_encoder(self) -> torch.nn.Module:
        """Make a text encoder with one row for each known word, and one of zeros for others."""
        encoder = make_text_encoder(len(self.known) + 1)
        embeddings = encoder.text_model.embeddings
        embeddings.token_embedding.padding_idx = UNKNOWN  # gets no gradient
        with torch.no_grad():
            embeddings.token_embedding.weight[UNKNOWN] = 0
            places = embeddings.position_embedding.weight
            places[BEFORE:] = places[BEFORE].clone()
        return encoder


def read_words(vocabulary: Path, scenes: Sequence[Scene]) -> Words:
    """Return the words of scenes' captions, by CLIP's vocabulary in a folder."""
    tokenizer = transformers.CLIPTokenizer(
        str(vocabulary / VOCABULARY), str(vocabulary / MERGES), model_max_length=LENGTH
    )
    numbers = _numbers(tokenizer, ["", *(scene.caption for scene in scenes)])
    return Words(tokenizer=tokenizer, known=torch.unique(torch.tensor(numbers)))


def training_scenes(count: int, seed: int) -> list[Scene]:
    """Return scenes without the looks that are held back."""
    rng = seeded(seed)
    looks = trained()
    return [make_scene(rng, looks) for _ in range(count)]


def text_stage(words: Words, scenes: Sequence[Scene], steps: int = STEPS) -> Stage:
    """Return the stage that trains the text encoder, with a linear layer that names attributes."""
    encoder = words.make_encoder()
    head = torch.nn.Linear(64, sum(SIZES))
    rows, empty = words.rows([scene.caption for scene in scenes]), words.rows([""])
    wanted = torch.tensor([attributes(scene) for scene in scenes])

    def loss(step: int, randoms: torch.Generator) -> torch.Tensor:
        length = SHORT if (step + 1) % 4 else LENGTH
        pick = torch.randint(len(rows), (BATCH,), generator=randoms)
        texts = torch.cat([_with_strangers(rows[pick], randoms), empty])[:, :length]
        states = encoder(texts).last_hidden_state
        places = torch.randint(BEFORE, length, (3,), generator=randoms)
        said = head(states[:-1, places]).split(SIZES, -1)
        naming = sum(
            functional.cross_entropy(one.flatten(0, 1), wanted[pick, k].repeat_interleave(3))
            for k, one in enumerate(said)
        )
        return naming + functional.mse_loss(
            states[:, places], states[:, BEFORE : BEFORE + 1].expand(-1, 3, -1)
        )

    modules = torch.nn.ModuleList([encoder, head])
    return Stage(name="text", steps=steps, rate=2e-3, modules=modules, loss=loss)


RADII = (0.18, 0.32)
"""Small things are below, and large ones above."""
SIZES = (len(COLOURS), len(COLOURS), len(SHAPES), 3, 3, 3, 3)


def attributes(scene: Scene) -> tuple[int, ...]:
    """Return what a caption says as numbers below `SIZES`: looks, where, how large, how many."""
    first, look = scene.things[0], scene.look
    count = len(scene.things)
    return (
        list(COLOURS).index(look.background),
        list(COLOURS).index(look.colour),
        SHAPES.index(look.shape),
        _third(first.x) if count == 1 else 1,
        _third(first.y),
        _third(first.radius, RADII) if count == 1 else 1,
        count - 1,
    )


def encode(encoder: torch.nn.Module, rows: torch.Tensor) -> torch.Tensor:
    """Return the states that stand for all 77: float32, (n, 21, 64); the last is the padding's."""
    with torch.no_grad():
        parts = [
            encoder(part[:, : BEFORE + 1]).last_hidden_state.clone() for part in rows.split(256)
        ]
    return torch.cat(parts)


def _with_strangers(rows: torch.Tensor, randoms: torch.Generator) -> torch.Tensor:
    """Put an unknown word somewhere between the first ten words of some texts."""
    count, length = rows.shape
    place = torch.randint(1, 10, (count, 1), generator=randoms)
    place[torch.rand((count, 1), generator=randoms) > STRANGERS] = length
    index = torch.arange(length)[None].expand(count, -1)
    moved = rows.gather(1, index - (index > place).long())
    return torch.where(index == place, UNKNOWN, moved)


def _numbers(tokenizer: transformers.CLIPTokenizer, texts: Sequence[str]) -> list[list[int]]:
    numbers = tokenizer(list(texts), padding="max_length", max_length=LENGTH, truncation=True)
    return list(numbers.input_ids)


def _third(value: float, bounds: tuple[float, float] = (0.4, 0.6)) -> int:
    low, high = bounds
    return int(value > low) + int(value > high)
