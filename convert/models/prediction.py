"""Finds whether a UNet predicts noise or velocity, which its tensors do not show.

Evidence is, for example, an option, a training config, a marker or metadata, and the result says
which was found. Without evidence, the result is reported as an assumption. Names of files are no
evidence: they are reported only if they contradict the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.files import is_part
from sdcoreml.convert.models.schedule import BETAS
from sdcoreml.convert.weights.source import Checkpoint
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_text

EPSILON, VELOCITY = "epsilon", "v_prediction"

SPELLINGS = {EPSILON: EPSILON, VELOCITY: VELOCITY, "v-prediction": VELOCITY}
"""The values of `--prediction-type`, and what they mean."""

WORDS: Mapping[str, str] = {
    **SPELLINGS,
    "eps": EPSILON,
    "noise": EPSILON,
    "v": VELOCITY,
    "v-pred": VELOCITY,
    "v_pred": VELOCITY,
    "velocity": VELOCITY,
    "vpred": VELOCITY,
    "vprediction": VELOCITY,
}
"""The words for prediction types in metadata.

ModelSpec (kohya's scripts) writes `v` and `epsilon`, and so does ComfyUI, under its own key
(`modelspec.predict_key`).
"""

MARKS = frozenset({"v_pred", "edm_vpred.sigma_max", "edm_vpred.sigma_min"})
"""Tensors whose mere presence means velocity, to ComfyUI and other programs."""
ZERO_SNR_MARK = "ztsnr"

ARCHITECTURES: Mapping[str, str] = {
    "stable-diffusion-v2-512": EPSILON,
    "stable-diffusion-v2-768-v": VELOCITY,
}
"""ModelSpec's names for the two kinds of SD 2.x."""

BASES: Mapping[str, str] = {"sd_v1_v": VELOCITY, "sd_v2": EPSILON, "sd_v2_v": VELOCITY}
"""kohya's names of base models, with the prediction type that they imply.

kohya's `sd-scripts` choose the name by the prediction type (`get_model_version_str_for_sd1_sd2`).
"""

OT_CONFIG = "ot_config"
_OT_FORCED: Mapping[str, str] = {
    "force_v_prediction": VELOCITY,
    "force_epsilon_prediction": EPSILON,
}
_OT_ZERO_SNR = "rescale_noise_scheduler_to_zero_terminal_snr"
"""A training setting of OneTrainer, which stores its settings as JSON in the metadata."""

NAMES = re.compile(r"v[-_ .]?pred|velocity|(?<![a-z])terminus|cosxl", re.IGNORECASE)
"""Matches names of files and folders that suggest velocity."""

# Training steps at which the SD 2 checkpoints were published, as in diffusers' conversion.
_STEPS_EPSILON = 875_000

_VELOCITY = (
    r"""^\s*(parameterization:\s*(["']?)v\2|target:.*denoiser_scaling\.VScaling)\s*(?:#.*)?$"""
)
"""Matches velocity in a training config of Stability's first code, or of its newer one (sgm)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSource:
    """What the user says about the prediction type: the option, and a training config."""

    option: str | None = None
    config: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionFinding:
    """What a UNet predicts: `kind`, or `None` if it is unknown and cannot be assumed.

    `by` is the evidence, empty if assumed; `against` is the evidence to the contrary.
    """

    kind: str | None
    by: str = ""
    against: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user; empty if there is evidence and nothing contradicts it."""
        if self.kind is None or (self.by and not self.against):
            return ()
        but = f", though {' and '.join(self.against)} the other way" if self.against else ""
        other = EPSILON if self.kind == VELOCITY else VELOCITY
        said = f"{self.by} says that it predicts {self.kind}"
        if not self.by:
            said = f"the model does not say what it predicts: {self.kind} is assumed"
        return (f"{said}{but}; --prediction-type {other} overrules that",)


def find_prediction(
    family: Family,
    checkpoint: Checkpoint,
    told: PredictionSource | None,
    scheduler: Mapping[str, object] = MappingProxyType({}),
) -> PredictionFinding:
    """Find what the UNet in `checkpoint` predicts, and the evidence.

    `scheduler` is the config of its model's scheduler, if it lies in a model's folder.

    The first of these decides: the option; the training config, given or next to the file; a marker
    tensor; metadata; the scheduler of the model's folder that the file lies in; for SD 2.x, the
    number of training steps. Without any of these, noise is assumed, but nothing is assumed for
    SD 2.x, of which there are two kinds.
    """
    told = told or PredictionSource()
    if told.option:
        return PredictionFinding(kind=SPELLINGS[told.option], by="the option")
    if config := find_config(checkpoint, told):
        found = PredictionFinding(kind=read_parameterization(config), by=config.name)
    else:
        evidence = _find_evidence(checkpoint, scheduler)
        found = next(evidence, None) or _usual(family, checkpoint)
    against = (
        *_contradictions(found, _find_evidence(checkpoint, scheduler)),
        *(sign for path in _named(checkpoint.path) for sign in _by_name(found, path)),
    )
    return replace(found, against=tuple(dict.fromkeys(against)))


def read_prediction(scheduler: Mapping[str, object], path: Path) -> PredictionFinding:
    """Read the prediction type from a folder's scheduler config; without one, it is noise."""
    said = scheduler.get("prediction_type")
    found = PredictionFinding(kind=EPSILON)
    if said:
        found = PredictionFinding(kind=str(said), by="its scheduler")
    return replace(found, against=tuple(_by_name(found, path)))


def has_zero_terminal_snr(checkpoint: Checkpoint) -> bool:
    """Whether a marker or kohya's metadata says that the model was trained up to pure noise."""
    is_marked = any(tensor.name == ZERO_SNR_MARK for tensor in checkpoint.tensors)
    is_told = _is_true(checkpoint.metadata.get("ss_zero_terminal_snr"))
    return is_marked or is_told or _training(checkpoint).get(_OT_ZERO_SNR) is True


def _find_evidence(
    checkpoint: Checkpoint, scheduler: Mapping[str, object]
) -> Iterator[PredictionFinding]:
    """Yield all evidence but the user's, the most reliable first."""
    mark = next((one.name for one in checkpoint.tensors if one.name in MARKS), "")
    if mark:
        yield PredictionFinding(kind=VELOCITY, by=f"its tensor {mark}")
    for key in ("modelspec.prediction_type", "modelspec.predict_key"):
        if said := checkpoint.metadata.get(key, "").strip():
            yield PredictionFinding(kind=WORDS.get(said.lower(), said), by=f"its metadata ({key})")
    if (word := checkpoint.metadata.get("ss_v_parameterization")) is not None:
        kind = VELOCITY if _is_true(word) else EPSILON
        yield PredictionFinding(kind=kind, by="its metadata (ss_v_parameterization)")
    for key, kind in _OT_FORCED.items():
        if _training(checkpoint).get(key) is True:
            yield PredictionFinding(kind=kind, by=f"its metadata ({OT_CONFIG}: {key})")
    if (base := checkpoint.metadata.get("ss_base_model_version", "")) in BASES:
        yield PredictionFinding(kind=BASES[base], by="its metadata (ss_base_model_version)")
    architecture = checkpoint.metadata.get("modelspec.architecture", "").partition("/")[0]
    if architecture in ARCHITECTURES:
        by = "its metadata (modelspec.architecture)"
        yield PredictionFinding(kind=ARCHITECTURES[architecture], by=by)
    if of_model := scheduler.get("prediction_type"):
        yield PredictionFinding(kind=str(of_model), by="its scheduler")


def _named(file: Path) -> tuple[Path, ...]:
    """Return the paths whose names speak of the weights in `file`: also a part's own folder."""
    return (file, file.parent.resolve()) if is_part(file.parent) else (file,)


def _training(checkpoint: Checkpoint) -> Mapping[str, object]:
    """Read OneTrainer's training settings from the metadata."""
    if text := checkpoint.metadata.get(OT_CONFIG):
        with suppress(BadInputError):
            found = parse_json(text, checkpoint.path)
            return found if isinstance(found, dict) else {}
    return {}


def _contradictions(found: PredictionFinding, others: Iterator[PredictionFinding]) -> Iterator[str]:
    yield from (f"{one.by} points" for one in others if one.kind != found.kind)


def _by_name(found: PredictionFinding, path: Path) -> Iterator[str]:
    if found.kind == EPSILON and (name := NAMES.search(path.name)):
        yield f"its name ({name[0]}) points"


def _is_true(word: str | None) -> bool:
    return str(word).strip().lower() in {"true", "1", "yes"}


def _usual(family: Family, checkpoint: Checkpoint) -> PredictionFinding:
    if family is not Family.SD2_V:
        return PredictionFinding(kind=EPSILON)
    steps = checkpoint.scalars.get("global_step")
    if steps is None:
        return PredictionFinding(kind=None)
    kind = EPSILON if steps == _STEPS_EPSILON else VELOCITY
    return PredictionFinding(kind=kind, by="its number of training steps")


def find_config(checkpoint: Checkpoint, told: PredictionSource | None) -> Path | None:
    """Find the training config of a single file: the given one, or the one next to the file."""
    beside = checkpoint.path.with_suffix(".yaml")
    given = told.config if told else None
    return given or (beside if beside.is_file() else None)


def read_parameterization(path: Path) -> str:
    """Read the prediction type from a training config in YAML. Raises `BadInputError`."""
    is_velocity = re.search(_VELOCITY, _read(path), re.MULTILINE)
    return VELOCITY if is_velocity else EPSILON


_SCHEDULE: Mapping[str, tuple[str, Callable[[str], float]]] = {
    "linear_start": ("beta_start", float),
    "linear_end": ("beta_end", float),
    "timesteps": ("num_train_timesteps", int),
}
"""Maps keys of a training config to diffusers' scheduler keys. Its "linear" is `scaled_linear`."""


def read_schedule(path: Path) -> Mapping[str, object]:
    """Read a training config's noise schedule as a scheduler's config. Raises `BadInputError`."""
    text, found = _read(path), dict[str, object]()
    for key, (name, kind) in _SCHEDULE.items():
        if said := re.search(rf"^\s*{key}:\s*([\d.e-]+)\s*(?:#.*)?$", text, re.MULTILINE):
            with suppress(ValueError):
                found[name] = kind(said[1])
    if found.keys() & {"beta_start", "beta_end"}:
        found = {**dict(zip(("beta_start", "beta_end"), BETAS, strict=True)), **found}
        found["beta_schedule"] = "scaled_linear"
    return found


def _read(path: Path) -> str:
    return read_text(path, Document.CONFIG, remedy="give the model's YAML config")
