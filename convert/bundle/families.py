"""The programs in each family's folder, and the options that each of them needs.

The runtimes make the same assumptions about every model: it predicts noise, prompts are padded with
the end token, and latents are scaled by a constant per family. If a model was trained differently,
its programs are built so that they make up for the difference.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.convert.bundle.contract import NAMES
from sdcoreml.convert.bundle.tokenizer import read_ids, read_pad_token
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.models.tokenizer import PADS as FAMILY_PADS
from sdcoreml.ground.errors import BadInputError, Fault, UnsupportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramSpec:
    """One program to make.

    `program` names its builder, `source` the component whose config and weights it is made from,
    and `options` are fields of `ProgramOptions` that follow from the model. `name` is its name in
    the folder, for programs that the runtimes do not look up by a fixed name.
    """

    program: str
    source: str
    options: Mapping[str, object] = field(default_factory=dict)
    name: str = ""

    @property
    def stem(self) -> str:
        """The name of the program's package without the suffix."""
        return self.name or NAMES[self.program]


REFINER = "refiner"
"""The name of the one component that comes from another model: the UNet of SDXL's refiner."""

_PENULTIMATE = {"text_states": "penultimate"}
_TEXT = ProgramSpec(program="text_encoder", source="text_encoder")
_UNET = ProgramSpec(program="unet", source="unet")
_VAE = (
    ProgramSpec(program="vae_decoder", source="vae"),
    ProgramSpec(program="vae_encoder", source="vae"),
)
_FIRST = replace(_TEXT, options=_PENULTIMATE)
_SECOND = ProgramSpec(program="text_encoder_2", source="text_encoder_2", options=_PENULTIMATE)

PROGRAMS: Mapping[Family, tuple[ProgramSpec, ...]] = {
    Family.SD1: (_TEXT, _UNET, *_VAE),
    Family.SD2_BASE: (_TEXT, _UNET, *_VAE),
    Family.SD2_V: (_TEXT, _UNET, *_VAE),
    Family.SDXL: (_FIRST, _SECOND, _UNET, *_VAE),
    Family.SDXL_REFINER: (_SECOND, _UNET, *_VAE),
}
"""The families that can be converted, and the programs of each."""


def is_part_of(family: Family, programs: Collection[str]) -> bool:
    """Whether a folder with these `programs` is partial: it lacks some that an app needs."""
    return CONTROLNET not in programs and any(
        spec.program not in programs for spec in PROGRAMS.get(family, ())
    )


OPTIONAL: Mapping[str, ProgramSpec] = {
    "controlled_unet": ProgramSpec(program="controlled_unet", source="unet"),
    "safety_checker": ProgramSpec(program="safety_checker", source="safety_checker"),
    "unet_refiner": ProgramSpec(program="unet_refiner", source=REFINER),
}
"""Programs that a folder can hold in addition to its family's, made only on request."""

_SD = frozenset({Family.SD1, Family.SD2_BASE, Family.SD2_V})
RUN: Mapping[str, tuple[frozenset[Family], str]] = {
    "controlled_unet": (_SD, "no app drives a ControlNet of {family}; leave --controlled out"),
    "safety_checker": (_SD, "no app checks the images of {family}; leave --safety-checker out"),
    "unet_refiner": (
        frozenset({Family.SDXL}),
        "no app refines the images of {family}; leave --refiner out",
    ),
}
"""Maps an optional program to the families that can use it, and to the error for all others."""

SCALES: Mapping[Family, float] = {Family.SDXL: 0.13025, Family.SDXL_REFINER: 0.13025}
SCALE = 0.18215
"""The latent scale that the apps use for every family not in `SCALES`."""

REASONS: Mapping[Task, str] = {
    Task.INPAINTING: "its UNet takes 9 channels, and the apps provide 4",
    Task.INSTRUCT: "its UNet takes 8 channels, and the apps provide 4",
    Task.UPSCALING: "its UNet takes 7 channels, and the apps provide 4",
    Task.DEPTH: "its UNet takes 5 channels, and the apps provide 4",
}
"""Maps a task to the reason why its models cannot run in Mochi Diffusion or Apple's package."""


UNBUILT: Mapping[Family, str] = {
    Family.SD3: "this converter cannot build its transformer, and no app's graph normalizes queries"
    " as SD 3.5 does",
    Family.FLUX: "no app runs it as Core ML programs",
}
"""Maps each known family that cannot be converted to the reason."""


def refuse(family: Family, task: Task | None, path: Path, named: str = "") -> Fault | None:
    """Return the fault if models of this family and task cannot be converted, else `None`.

    `named` is the model's own name for its family; the message quotes it if `family` is unknown.
    """
    if family in PROGRAMS and task is Task.TEXT_TO_IMAGE:
        return None
    what = f"this is {family.value}, which is not supported"
    remedy = f"convert one of {', '.join(family.value for family in PROGRAMS)}"
    if family is Family.UNKNOWN:
        own = f" ({named})" if named else ""
        what = f"this is another family of models{own}, which is not supported"
    elif task is Task.OTHER and family in PROGRAMS:
        what = f"this {family.value} does not run: the apps provide 4 channels to its UNet"
        remedy = "convert a text-to-image model"
    elif task and task in REASONS:
        what = f"this is {family.value} ({task.value}), which does not run: {REASONS[task]}"
        remedy = "convert a text-to-image model"
    elif family in UNBUILT:
        what = f"{what}: {UNBUILT[family]}"
    return Fault(where=path, what=what, remedy=remedy, error=UnsupportedError)


def programs_of(model: Model, wanted: Collection[str] = ()) -> tuple[ProgramSpec, ...]:
    """Return the programs of a model's folder, each with the options that the model implies.

    Args:
        model: of a family in `PROGRAMS`, or a ControlNet.
        wanted: keys of `OPTIONAL`: programs to make in addition to the family's.

    Raises:
        UnsupportedError: the runtimes do not use an optional program with this family, or the
            model lacks the component to make it from.
    """
    if CONTROLNET in model.components:
        return (ProgramSpec(program=CONTROLNET, source=CONTROLNET),)
    for program in wanted:
        families, reason = RUN[program]
        if model.family not in families:
            said = reason.format(family=model.family.value)
            raise UnsupportedError(f"{said}", where=model.path)
        if OPTIONAL[program].source not in model.components:
            raise UnsupportedError(
                f"no {OPTIONAL[program].source} in this folder",
                where=model.path,
                remedy="add it from the model it was trained from, or leave --"
                f"{program.replace('_', '-')} out",
            )
    parts = (*PROGRAMS[model.family], *(part for name, part in OPTIONAL.items() if name in wanted))
    return tuple(
        replace(part, options={**part.options, **_particular(model, part)}) for part in parts
    )


def unet_of(model: Model) -> ProgramSpec:
    """Return the program of a model's UNet, with the options that the model implies."""
    return replace(_UNET, options=_particular(model, _UNET))


def _particular(model: Model, part: ProgramSpec) -> Mapping[str, object]:
    match part.source:
        case "text_encoder" | "text_encoder_2":
            return _padding(model, part.source)
        case "unet":
            kind = model.scheduler.get("prediction_type", "epsilon")
            return {} if kind == "epsilon" else {"prediction": kind}
        case "vae":
            return _vae(model)
        case _:
            return {}


def _vae(model: Model) -> Mapping[str, object]:
    """Return the options that a model's VAE needs.

    They are the app's latent scale, if the model has another, and float32, if float16 overflows.
    """
    config = model.components["vae"].config
    scale = SCALES.get(model.family, SCALE)
    options: dict[str, object] = {}
    if config.get("scaling_factor", SCALE) != scale:
        options["runtime_scale"] = scale
    if model.family in SCALES and config.get("force_upcast", True):
        options["precision"] = "fp32"
    return options


PADS: Mapping[str, str] = {"text_encoder": "<|endoftext|>", "text_encoder_2": "!"}
"""Maps a text encoder to the token with which the runtimes pad its prompts."""


def _padding(model: Model, source: str) -> Mapping[str, object]:
    """Return the option `pad_id` if the model was not trained with the runtimes' padding token."""
    own, usual = model.path / source.replace("text_encoder", "tokenizer"), PADS[source]
    if not own.is_dir():  # a single file that is not unpacked yet, or one tokenizer for two
        pad = FAMILY_PADS.get(model.family, {}).get(own.name, usual)
        return {} if pad == usual else {"pad_id": CLIP_IDS[pad]}
    found = padding(own, usual)
    return {} if found is None else {"pad_id": found}


CLIP_IDS: Mapping[str, int] = {"!": 0, "<|endoftext|>": 49407}
"""The ids of the padding tokens in the vocabulary that all Stable Diffusion models share."""


def padding(tokenizer: Path, usual: str) -> int | None:
    """Return the id of a tokenizer's padding token, or `None` if that is the apps' token `usual`.

    The result is also `None` if the vocabulary is unreadable or lacks the token: other checks
    report that.
    """
    try:
        pad = read_pad_token(tokenizer)
        return None if pad == usual else read_ids(tokenizer).get(pad)
    except BadInputError:
        return None
