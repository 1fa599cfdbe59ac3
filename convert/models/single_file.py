"""Takes a single-file checkpoint in the original layout apart into diffusers' components.

Nothing is copied: each tensor of a component refers to a tensor of the file under another name,
possibly to a part of it, transposed, or without the axes of a 1 x 1 kernel. Every tensor is
accounted for: it is used, known to be unused, or a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path

from sdcoreml.convert.models import configs
from sdcoreml.convert.models.beside import SD2, Beside, config_beside, judge_noise
from sdcoreml.convert.models.family import PIXELS_PER_LATENT, TASKS, Family, Task
from sdcoreml.convert.models.few_steps import AppSettings, find_settings
from sdcoreml.convert.models.folder_plan import ComponentFiles
from sdcoreml.convert.models.original_layout import (
    OPEN_CLIP_BLOCKS,
    UNET_PREFIX,
    TextPart,
    block_of,
    count_used_blocks,
    describe_blocks,
    layout_of,
)
from sdcoreml.convert.models.prediction import PredictionFinding, PredictionSource
from sdcoreml.convert.models.renames import (
    CLIP,
    OPEN_CLIP,
    UNET,
    VAE,
    Numbering,
    Table,
    number_nothing,
    rename_all,
    unet_numbering,
    vae_numbering,
)
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.models.unet_alone import (
    DIFFUSERS,
    FIRST_LAYERS,
    ORIGINAL,
    family_alone,
    is_linear,
)
from sdcoreml.convert.weights.float8 import widen
from sdcoreml.convert.weights.quantised import refuse_quantised
from sdcoreml.convert.weights.source import Checkpoint
from sdcoreml.convert.weights.tensor import TensorInfo, drop_kernel, take_rows, transpose
from sdcoreml.ground.errors import Fault

VAE_PREFIX = "first_stage_model."
EMA_PREFIX = "model_ema."

IGNORED = re.compile(
    r"""model_ema\. | bundle_emb\. | first_stage_model\.loss\. | denoiser\. | embedding_manager\.
    | .*\.(position_ids|attn_mask|logit_scale) $
    | (alphas|betas|log_|sqrt_|posterior_|lvlb_).* | (logvar|scale_factor|v_pred|ztsnr) $
    | edm_vpred\. | (cond_stage_model|conditioner\.embedders\.0)\.(transformer\.)?text_projection
    """,
    re.VERBOSE,
)
"""Matches names of schedules, losses, buffers and markers, which no component takes.

The text projection that it matches is CLIP-L's: ComfyUI writes it, although neither SD 1.x nor SDXL
uses it.
"""

BUNDLED = "bundle_emb."
"""The prefix of AUTOMATIC1111's textual inversions within a checkpoint."""


class Weights(Enum):
    """Which UNet to take from a checkpoint that has two."""

    TRAINED = "as trained"
    AVERAGED = "exponential moving average"


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleFile:
    """A checkpoint taken apart.

    `schedule` has the scheduler config's differences from the family's default, `settings` are the
    app's settings for a few-step model, `notes` are other facts worth knowing.
    """

    path: Path
    family: Family
    task: Task
    prediction: PredictionFinding
    image_size: int
    parts: Mapping[str, ComponentFiles]
    has_ema: bool
    faults: tuple[Fault, ...] = ()
    ignored: tuple[str, ...] = ()
    schedule: Mapping[str, object] = field(default_factory=dict)
    settings: AppSettings | None = None
    notes: tuple[str, ...] = ()


def take_apart(
    checkpoint: Checkpoint,
    told: PredictionSource | None = None,
    *,
    image_size: int | None = None,
    weights: Weights = Weights.TRAINED,
    only_unet: bool = False,
) -> SingleFile | None:
    """Take `checkpoint` apart into components; `None` if it is no whole model of a known family.

    With `only_unet`, it can be a UNet alone, in the original layout or in diffusers'.
    """
    ledger = Ledger(checkpoint)
    shapes = {tensor.name: tensor.shape for tensor in checkpoint.tensors}
    alone = family_alone(shapes) if only_unet else None
    family, texts = layout_of(ledger.tensors) or (alone, ())
    if family is None:
        return None
    if family is Family.SD1 and is_linear(shapes):
        family = Family.SD2_V  # its text encoder has the names of SD 1.x
    noise = judge_noise(family, checkpoint, told)
    family = noise.family
    size = image_size or configs.IMAGE_SIZES[family]
    own = config_beside(checkpoint.path, shapes) if DIFFUSERS in shapes else Beside()
    asked = {"sample_size": image_size // PIXELS_PER_LATENT} if image_size else {}
    derived = partial(configs.unet_config, family=family, image_size=size)
    unet = (lambda _: {**own.config, **asked}) if own.config else derived
    vae = partial(configs.vae_config, family=family, image_size=size)
    ledger.enter("unet", "UNet2DConditionModel", _unet(ledger, weights), unet)
    if tensors := take_vae(ledger):
        ledger.enter("vae", "AutoencoderKL", tensors, vae)
    for text in texts:
        derive = partial(
            configs.text_config,
            family=family,
            kind=text.kind,
            open_clip=text.table is OPEN_CLIP or family in SD2,
        )
        ledger.enter(text.component, text.kind, _text(ledger, text, family), derive)
    ledger.close()
    return SingleFile(
        path=checkpoint.path,
        family=family,
        task=_task(ledger),
        prediction=noise.prediction,
        image_size=size,
        parts=ledger.parts,
        has_ema=ledger.has_ema,
        faults=tuple(ledger.faults),
        ignored=tuple(name for name in ledger.tensors if name not in ledger.used),
        schedule=noise.schedule,
        settings=find_settings(checkpoint.path.stem, checkpoint.metadata),
        notes=(
            *noise.notes,
            *own.notes,
            *_blocks_note(ledger, family, texts),
            *_bundled_note(ledger.tensors),
        ),
    )


def _task(ledger: Ledger) -> Task:
    """Return what the UNet was trained for, by the channels that its first layer takes."""
    first = next((ledger.tensors[name] for name in FIRST_LAYERS if name in ledger.tensors), None)
    channels = first.shape[1] if first and len(first.shape) > 1 else 0
    return TASKS.get(channels, Task.OTHER)


def _bundled_note(names: Iterable[str]) -> tuple[str, ...]:
    """Return a note on a checkpoint's textual inversions, which are ignored; () without any."""
    bundled = (name.removeprefix(BUNDLED) for name in names if name.startswith(BUNDLED))
    words = sorted({name.partition(".")[0] for name in bundled})
    said = f"its textual inversions ({', '.join(words)}) are ignored: add them with --embedding"
    return (f"{said} from files of their own",) if words else ()


def _blocks_note(ledger: Ledger, family: Family, texts: tuple[TextPart, ...]) -> tuple[str, ...]:
    if family not in SD2 or any(text.table is CLIP for text in texts):
        return ()
    return tuple(filter(None, (describe_blocks(ledger.tensors, text.prefix) for text in texts)))


def _unet(ledger: Ledger, weights: Weights) -> list[TensorInfo]:
    if weights is Weights.AVERAGED:
        ledger.take_averages()
    if DIFFUSERS in ledger.tensors:
        return ledger.take_all()
    prefix = "" if ORIGINAL in ledger.tensors else UNET_PREFIX
    return ledger.take(prefix, UNET, unet_numbering)


def take_vae(ledger: Ledger, prefix: str = VAE_PREFIX) -> list[TensorInfo]:
    """Take the VAE under `prefix`, in diffusers' names."""
    tensors = ledger.take(prefix, VAE, vae_numbering)
    return [_as_linear(tensor) for tensor in tensors]


def _as_linear(tensor: TensorInfo) -> TensorInfo:
    """Turn the original VAE's attention, made of 1 x 1 convolutions, into diffusers' matrices."""
    is_attention = ".attentions." in tensor.name and tensor.shape[2:] == (1, 1)
    return drop_kernel(tensor) if is_attention else tensor


def _text(ledger: Ledger, text: TextPart, family: Family) -> list[TensorInfo]:
    tensors = ledger.take(text.prefix, text.table, number_nothing)
    if text.table is CLIP:
        return _keep_used(tensors, OPEN_CLIP_BLOCKS - 1) if family in SD2 else tensors
    if family in SD2:
        tensors = _keep_used(tensors, count_used_blocks(ledger.tensors, text.prefix))
    return [part for tensor in tensors for part in _split(tensor)]


def _keep_used(tensors: Sequence[TensorInfo], kept: int) -> list[TensorInfo]:
    """Keep the tensors that SD 2.x uses: those of the first `kept` blocks, and no projection."""
    return [
        tensor
        for tensor in tensors
        if block_of(tensor.name) < kept and not tensor.name.startswith("text_projection.")
    ]


def _split(tensor: TensorInfo) -> Iterator[TensorInfo]:
    """Undo OpenCLIP's packing: split joined query, key and value, and transpose the projection."""
    stem, is_fused, kind = tensor.name.rpartition(".in_proj_")
    if is_fused and tensor.shape:
        width = tensor.shape[0] // 3
        for number, part in enumerate(("q_proj", "k_proj", "v_proj")):
            name = f"{stem}.{part}.{kind}"
            yield take_rows(tensor, number * width, (number + 1) * width, name)
    elif tensor.name == "text_projection.weight" and len(tensor.shape) == 2:  # noqa: PLR2004
        yield transpose(tensor)
    else:
        yield tensor


class Ledger:
    """Accounts for every tensor of a checkpoint and for every tensor that a component needs."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.path = checkpoint.path
        self.tensors = {tensor.name: tensor for tensor in checkpoint.tensors}
        self.used: set[str] = set()
        self.parts: dict[str, ComponentFiles] = {}
        self.faults = [*filter(None, [refuse_quantised(checkpoint.tensors, self.path)])]

    @property
    def has_ema(self) -> bool:
        """Whether the UNet is present twice, trained and averaged (the threshold is diffusers')."""
        return sum(name.startswith(EMA_PREFIX) for name in self.tensors) > 100  # noqa: PLR2004

    def take(
        self, prefix: str, table: Table, number: Callable[[Sequence[str]], Numbering]
    ) -> list[TensorInfo]:
        """Take the tensors under `prefix` with their new names, except those that match no row."""
        taken = []
        names = [name for name in self.tensors if name.startswith(prefix)]
        new_names = rename_all(tuple(name.removeprefix(prefix) for name in names), table, number)
        for name, new in zip(names, new_names, strict=True):
            if new is not None and not IGNORED.match(name):
                self.used.add(name)
                taken.append(self.tensors[name].rename(new))
        return taken

    def take_all(self) -> list[TensorInfo]:
        """Take all tensors as they are named."""
        self.used.update(self.tensors)
        return [*self.tensors.values()]

    def take_averages(self) -> None:
        """Replace the trained tensors with the averaged ones, under the same names."""
        if not self.has_ema:
            remedy = "leave out --extract_ema"
            what = "holds no averaged (EMA) weights"
            self.faults.append(Fault(where=self.path, what=what, remedy=remedy))
            return
        lost = []
        for name in list(self.tensors):
            if name.startswith(UNET_PREFIX):
                average = EMA_PREFIX + "".join(name.split(".")[1:])
                if average in self.tensors:
                    self.tensors[name] = self.tensors[average]
                else:
                    lost.append(average)
        self._complain("averaged tensors missing", lost)

    def enter(
        self,
        component: str,
        kind: str,
        tensors: Sequence[TensorInfo],
        derive: Callable[[Mapping[str, tuple[int, ...]]], configs.Config],
    ) -> None:
        """Make a component from `tensors`, and report missing and surplus ones as faults."""
        if not tensors:
            self._complain(f"no {component} in the file", [component])
            return
        shapes = {tensor.name: tensor.shape for tensor in tensors}
        try:
            config = derive(shapes)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            self._complain(f"{component}: missing tensors that would show its shape", [str(error)])
            return
        expected = parameters(kind, config) or {}
        self._complain(f"{component}: tensors missing", [n for n in expected if n not in shapes])
        self._complain(f"{component}: tensors unknown", [n for n in shapes if n not in expected])
        self._complain(
            f"{component}: tensors of an unexpected shape",
            [n for n, shape in expected.items() if shapes.get(n, shape) != shape],
        )
        self.parts[component] = ComponentFiles(
            kind=kind, config=config, tensors=tuple(map(widen, tensors))
        )

    def close(self) -> None:
        """Report the tensors that no component took as faults."""
        left = [n for n in self.tensors if n not in self.used and not IGNORED.match(n)]
        self._complain("tensors of no known component", left)

    def _complain(self, what: str, names: Sequence[str]) -> None:
        if names:
            said = f"{what} ({len(names)}): {', '.join(names)}"
            remedy = "this is another kind of model, or a damaged one: download it again"
            self.faults.append(Fault(where=self.path, what=said, remedy=remedy))
