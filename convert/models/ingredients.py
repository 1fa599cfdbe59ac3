"""Everything that a model is assembled from: a folder or file, a VAE, LoRAs, embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.convert.models.configs import IMAGE_SIZES
from sdcoreml.convert.models.contents import Kind
from sdcoreml.convert.models.embedding import add_embedding, read_embedding
from sdcoreml.convert.models.family import PIXELS_PER_LATENT, Family
from sdcoreml.convert.models.few_steps import AppSettings, find_settings
from sdcoreml.convert.models.files import is_part
from sdcoreml.convert.models.folder_plan import FolderPlan
from sdcoreml.convert.models.identify import identify_path
from sdcoreml.convert.models.layout import read_model
from sdcoreml.convert.models.lora import LoraSource, merge_loras
from sdcoreml.convert.models.merge import plan_folder, plan_unet
from sdcoreml.convert.models.single_file import SingleFile, Weights
from sdcoreml.convert.models.unpack import UnpackOptions, unpack
from sdcoreml.convert.models.vae import read_vae
from sdcoreml.convert.weights.source import Checkpoint, open_checkpoint
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.places import expand_home


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSource:
    """A textual inversion, and the word for it in prompts; `None` means the file's name."""

    path: Path
    word: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """A model, and the changes to make to it.

    `unpacking` is for a single file; for a folder, only its `vae` applies. With `accepts_schedule`,
    a model is not refused for a noise schedule that no app has.
    """

    model: Path
    unpacking: UnpackOptions = field(default_factory=UnpackOptions)
    loras: tuple[LoraSource, ...] = ()
    embeddings: tuple[EmbeddingSource, ...] = ()
    accepts_schedule: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether this is a model folder to be used unchanged."""
        is_changed = self.unpacking.vae or self.loras or self.embeddings
        return not self.model.is_file() and not is_changed

    def files(self) -> Iterator[Path]:
        """Yield every file that the user gave."""
        named = (self.model, self.unpacking.vae, self.unpacking.told and self.unpacking.told.config)
        yield from (path for path in named if path and path.is_file())
        yield from (lora.path for lora in self.loras)
        yield from (embedding.path for embedding in self.embeddings)


def parse_embedding(text: str) -> EmbeddingSource:
    """Parse `FILE` or `FILE:WORD`."""
    path, _, word = text.partition(":")
    return EmbeddingSource(path=expand_home(path), word=word or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A single file whose header was read, and its model with the ingredients' options."""

    checkpoint: Checkpoint
    single: SingleFile


def combine(
    ingredients: Ingredients, emit: Emit = silent, opened: Opened | None = None
) -> FolderPlan:
    """Plan the folder of the model; only headers and small files are read.

    `opened` is the model, if it is a single file that was read already.

    Raises:
        BadInputError: a file is damaged, or is not of the kind it was given as.
        UnsafePickleError: a file is a pickle that names code that has no place in a checkpoint.
        UnsupportedError: a LoRA is of a kind that cannot be merged.
    """
    is_file = ingredients.model.is_file()
    plan = _unpack(ingredients, emit, opened) if is_file else _read(ingredients, emit)
    only_unet = ingredients.unpacking.only_unet
    plan = merge_loras(plan, ingredients.loras, emit, only_unet=only_unet)
    known = len(plan.notes)
    for source in ingredients.embeddings:
        plan = add_embedding(plan, read_embedding(source.path, source.word))
    plan = replace(plan, settings=_settings(ingredients) or plan.settings)
    advice = (plan.settings.advice,) if plan.settings else ()
    _tell((*plan.notes[known:], *advice), emit)
    return plan


def _tell(notes: Iterable[str], emit: Emit) -> None:
    for note in notes:
        emit(Event(kind="note", text=note))


def _settings(ingredients: Ingredients) -> AppSettings | None:
    """Return the app settings of a model that a few-step LoRA is merged into."""
    for source in ingredients.loras:
        if found := find_settings(source.path.stem, open_checkpoint(source.path).metadata):
            return replace(found, by=f"the name or metadata of {source.path.name} say")
    return None


def _unpack(ingredients: Ingredients, emit: Emit, opened: Opened | None) -> FolderPlan:
    checkpoint = opened.checkpoint if opened else open_checkpoint(ingredients.model)
    _tell(checkpoint.notes, emit)
    single = opened.single if opened else None
    plan = unpack(checkpoint, ingredients.unpacking, emit, single)
    _tell(plan.notes, emit)
    return plan


def _read(ingredients: Ingredients, emit: Emit) -> FolderPlan:
    require_folders_own(ingredients)
    alone = identify_path(ingredients.model, ingredients.unpacking)
    if alone.contents.kind is Kind.UNET and alone.model:
        _tell(alone.model.notes, emit)
        return plan_unet(alone.model, ingredients.unpacking.told)
    model = read_model(ingredients.model)
    _tell(model.notes, emit)
    plan = plan_folder(model)
    if not (vae := ingredients.unpacking.vae):
        return plan
    family = model.family if model.family is not Family.UNKNOWN else Family.SD1
    unet = model.components.get("unet")
    sample = unet.config.get("sample_size") if unet else None
    size = PIXELS_PER_LATENT * sample if isinstance(sample, int) else IMAGE_SIZES.get(family, 512)
    return plan.with_component("vae", read_vae(vae, family, size))


def require_folders_own(ingredients: Ingredients) -> None:
    """Raise `BadInputError` for options that only single files need; a folder's files decide.

    Those of a UNet's own folder do not say what it predicts.
    """
    options = ingredients.unpacking
    is_whole = not is_part(ingredients.model)
    asked = {
        "averaged weights (EMA)": options.weights is Weights.AVERAGED,
        "a prediction type": is_whole and options.told and options.told.option,
        "a training config": options.told and options.told.config,
        "an image size": options.image_size,
        "a scheduler": options.scheduler,
        "attention in float32": options.upcast_attention is not None,
        "a tokenizer": options.tokenizer,
    }
    if given := [what for what, value in asked.items() if value]:
        raise BadInputError(
            (
                f"{' and '.join(given)} can be chosen only for single-file checkpoints; a folder's "
                "own files determine it"
            ),
            where=ingredients.model,
            remedy="leave it out",
        )
