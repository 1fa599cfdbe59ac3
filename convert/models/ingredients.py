"""All that a model is put together from: a folder or a single file, a VAE, LoRAs, embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.models.configs import IMAGE_SIZES
from sdcoreml.convert.models.embedding import add_embedding, read_embedding
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.layout import read_model
from sdcoreml.convert.models.lora import LoraSource, merge_loras
from sdcoreml.convert.models.merge import recipe_of
from sdcoreml.convert.models.recipe import Recipe
from sdcoreml.convert.models.single_file import Weights
from sdcoreml.convert.models.unpack import UnpackOptions, unpack
from sdcoreml.convert.models.vae import read_vae
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSource:
    """A textual inversion, and the word it is to be (`None`: the one it was trained as)."""

    path: Path
    word: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """A model, and what is to be changed in it.

    `unpacking` is for a single file; of it, a folder knows only a VAE.
    """

    model: Path
    unpacking: UnpackOptions = field(default_factory=UnpackOptions)
    loras: tuple[LoraSource, ...] = ()
    embeddings: tuple[EmbeddingSource, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether this is a model folder, to be taken as it is."""
        is_changed = self.unpacking.vae or self.loras or self.embeddings
        return not self.model.is_file() and not is_changed

    def files(self) -> Iterator[Path]:
        """Every file that was named."""
        named = (self.model, self.unpacking.vae, self.unpacking.told and self.unpacking.told.config)
        yield from (path for path in named if path and path.is_file())
        yield from (lora.path for lora in self.loras)
        yield from (embedding.path for embedding in self.embeddings)


def parse_embedding(text: str) -> EmbeddingSource:
    """`FILE` or `FILE:WORD`."""
    path, _, word = text.partition(":")
    return EmbeddingSource(path=Path(path), word=word or None)


def combine(ingredients: Ingredients, emit: Emit = silent) -> Recipe:
    """The recipe of the model; only headers and small files are read.

    Raises:
        BadInputError: one of the files is damaged, or is not what it is named as.
        UnsafePickleError: one names something that has no place in a checkpoint.
        UnsupportedError: a LoRA of a kind that cannot be merged.
    """
    recipe = (_unpack if ingredients.model.is_file() else _read)(ingredients, emit)
    recipe = merge_loras(recipe, ingredients.loras)
    for source in ingredients.embeddings:
        recipe = add_embedding(recipe, read_embedding(source.path, source.word))
    return recipe


def _unpack(ingredients: Ingredients, emit: Emit) -> Recipe:
    checkpoint = open_checkpoint(ingredients.model)
    for note in checkpoint.notes:
        emit(Event(kind="note", text=note))
    return unpack(checkpoint, ingredients.unpacking, emit)


def _read(ingredients: Ingredients, emit: Emit) -> Recipe:
    require_folders_own(ingredients)
    model = read_model(ingredients.model)
    for note in model.notes:
        emit(Event(kind="note", text=note))
    recipe = recipe_of(model)
    if not (vae := ingredients.unpacking.vae):
        return recipe
    family = model.family if model.family is not Family.UNKNOWN else Family.SD1
    unet = model.components.get("unet")
    sample = unet.config.get("sample_size") if unet else None
    size = 8 * sample if isinstance(sample, int) else IMAGE_SIZES.get(family, 512)
    return recipe.with_part("vae", read_vae(vae, family, size))


def require_folders_own(ingredients: Ingredients) -> None:
    """Refuse what is asked about a single file, but stands in a folder's own configs."""
    options = ingredients.unpacking
    asked = {
        "averaged weights (EMA)": options.weights is Weights.AVERAGED,
        "a prediction type": options.told and options.told.option,
        "a training config": options.told and options.told.config,
        "an image size": options.image_size,
        "a scheduler": options.scheduler,
        "attention in float32": options.upcast_attention is not None,
        "a tokenizer": options.tokenizer,
    }
    if given := [what for what, value in asked.items() if value]:
        raise BadInputError(
            (
                f"{' and '.join(given)} can be chosen for single-file checkpoints, a folder's own "
                "files say it"
            ),
            where=ingredients.model,
            remedy="leave it out",
        )
