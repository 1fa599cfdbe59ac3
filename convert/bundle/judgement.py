"""Judges by headers alone what a path is and whether it can be converted.

`sdcoreml inspect`, the doctor's model checks and the converter share this judgement: identify the
model, take it apart, then ask what each app and each builder requires.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from sdcoreml.convert.bundle.app_verdicts import Refusals, app_verdicts, config_refusals
from sdcoreml.convert.bundle.apps import ADD_ONS, COMFYUI, GIVEN, AppVerdict
from sdcoreml.convert.bundle.families import PROGRAMS, RUN, UNBUILT, refuse
from sdcoreml.convert.bundle.finished import FINISHED, is_finished
from sdcoreml.convert.bundle.harmony import Vocabulary, harmony_faults, read_vocabulary
from sdcoreml.convert.bundle.noise import refuse_difference, refuse_prediction
from sdcoreml.convert.models.contents import Contents, Kind
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.files import INDEX_NAME
from sdcoreml.convert.models.identify import NOT_THERE, Identity, identify_path
from sdcoreml.convert.models.layout import Component, Model
from sdcoreml.convert.models.unpack import UNSAID, UnpackOptions
from sdcoreml.convert.programs.options import Runtime
from sdcoreml.convert.weights.source import CONTAINERS, FileKind, look_at
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.ground.advice import command, spell
from sdcoreml.ground.errors import Fault, SdcoremlError, UnsafePickleError, UnsupportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The verdict on whether a model can be converted, as every command prints it.

    `can` is "headers" if the headers show no obstacle: then only the weights can still prevent a
    conversion, for example if one is NaN. It is "yes" if the model was converted, and "no" if it
    cannot be. `fault` is the main reason for a "no".
    """

    can: Literal["yes", "headers", "no"]
    fault: Fault | None = None

    def as_json(self) -> dict[str, str | None]:
        """Return `can`, the stable id of the check that finds the reason, and the remedy."""
        code, remedy = (self.fault.code, self.fault.remedy) if self.fault else ("", "")
        return {"can": self.can, "code": code or None, "remedy": spell(remedy) or None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a path is, and everything that prevents converting it.

    `needed` are the components that the model's programs are made from. `refusal` says why no model
    of this kind can be converted. `refusals` maps each component whose config a builder rejects to
    the reason. `discords` are the faults where components do not fit each other. `verdicts` are the
    apps' answers, all of them "no" if the converter refuses the model.
    """

    identity: Identity
    needed: tuple[str, ...] = ()
    refusal: Fault | None = None
    refusals: Mapping[str, Fault] = field(default_factory=dict)
    discords: tuple[Fault, ...] = ()
    verdicts: tuple[AppVerdict, ...] = ()

    @property
    def lacking(self) -> tuple[str, ...]:
        """Components that are needed but missing."""
        return tuple(name for name in self.needed if name not in self.identity.configs)

    def tensors_of(self, component: str) -> tuple[TensorInfo, ...]:
        """Return a component's tensors, named as in the pinned libraries; empty if not read."""
        model, single = self.identity.model, self.identity.single
        if model and component in model.components:
            checkpoint = model.components[component].checkpoint
            return checkpoint.tensors if checkpoint else ()
        part = single.parts.get(component) if single else None
        found = part.tensors if part else ()
        return tuple(tensor for tensor in found if isinstance(tensor, TensorInfo))

    @property
    def obstacles(self) -> tuple[Fault, ...]:
        """The faults of the model as a whole: its kind, damage, or missing components."""
        whole = [self.refusal] if self.refusal else []
        faults = [_with_code(fault, self.identity) for fault in self.identity.faults]
        if self.lacking and not faults:
            what = f"it has no {' and no '.join(self.lacking)}"
            remedy = "copy what is missing from the model that this one was trained from"
            if self.lacking == ("vae",) and self.identity.single:
                remedy = "give one with --vae"
            where, code = self.identity.path, "MOD004" if self.identity.model else "MOD018"
            error = UnsupportedError
            whole.append(Fault(where=where, what=what, remedy=remedy, error=error, code=code))
        return (*whole, *faults)

    @property
    def reasons(self) -> tuple[Fault, ...]:
        """Everything that prevents a conversion; empty if the headers show no obstacle."""
        named = (
            replace(fault, what=f"{name}: {fault.what}") for name, fault in self.refusals.items()
        )
        return (*self.obstacles, *named, *self.discords)

    @property
    def ruling(self) -> Ruling:
        """The ruling: "headers" if no reason against converting is known, else "no"."""
        reasons = self.reasons
        return Ruling(can="no", fault=gravest(reasons)) if reasons else Ruling(can="headers")

    def require_convertible(self) -> None:
        """Raise the gravest fault as an error, if the model cannot be converted."""
        raise_gravest(self.reasons, self.identity.path)


def gravest(faults: Sequence[Fault]) -> Fault:
    """Return the first fault about an unsafe file; if there is none, the first of `faults`."""
    unsafe = (fault for fault in faults if fault.error is UnsafePickleError)
    return next(unsafe, faults[0])


def raise_gravest(faults: Sequence[Fault], model: Path) -> None:
    """Raise the gravest of a model's faults, if there are any, with a note on the others."""
    if faults:
        rest = len(faults) - 1
        error = gravest(faults).as_error()
        error.explanation = f"{rest} more: {command('inspect', model)} lists them" if rest else ""
        raise error


def judge(
    path: Path,
    options: UnpackOptions | None = None,
    *,
    accepts_schedule: bool = False,
    runtime: Runtime = Runtime.SWIFT,
    identity: Identity | None = None,
) -> Judgement:
    """Judge whatever lies at `path`. Faults are collected, never raised; no tensor is read.

    The model is judged with `options` applied, for example with another VAE or a given prediction
    type. `accepts_schedule` permits a noise schedule that no app has; `runtime` is what will call
    the UNet. `identity` is what the path was identified as with these options, if it was before.
    """
    options = options or UnpackOptions()
    identity = identity or identify_path(path, options)
    has_parts = identity.model is not None and bool(identity.model.components)
    if identity.form != NOT_THERE and not has_parts and is_finished(path):
        return Judgement(identity=_identify_finished(path), refusal=_judge_finished(path))
    listed = _list_needed(identity, options)
    needed = tuple(name for name in listed if name != "vae" or not options.vae)
    refusals_of = {one: config_refusals(identity, needed, one) for one in Runtime}
    refusals = refusals_of[runtime]
    refusal = _refuse(identity, options)
    is_told = refusal or refusals or options.only_unet
    vocabulary = None if is_told else _vocabulary(identity)
    discords = (
        ()
        if refusal
        else (
            *_discords(identity, options, refusals, accepts_schedule=accepts_schedule),
            *(vocabulary.faults if vocabulary else ()),
        )
    )
    words = vocabulary.notes if vocabulary else ()
    return Judgement(
        identity=replace(identity, notes=(*identity.notes, *words)),
        needed=needed,
        refusal=refusal,
        refusals=refusals,
        discords=discords,
        verdicts=_verdicts(identity, refusals_of, options),
    )


def _verdicts(
    identity: Identity, refusals_of: Mapping[Runtime, Refusals], options: UnpackOptions
) -> tuple[AppVerdict, ...]:
    """Return the apps' verdicts; ComfyUI's of a UNet alone is that of what is converted for it."""
    found = app_verdicts(identity, refusals_of)
    if identity.contents.kind is not Kind.UNET or options.only_unet:
        return found
    only = replace(options, only_unet=True)
    alone = identify_path(identity.path, only, identity.checkpoint)
    return tuple(
        theirs if theirs.target == COMFYUI else one
        for one, theirs in zip(
            found, judge(identity.path, only, identity=alone).verdicts, strict=True
        )
    )


def _identify_finished(path: Path) -> Identity:
    return Identity(path=path, form=FINISHED, contents=Contents(kind=Kind.UNKNOWN))


def _judge_finished(path: Path) -> Fault:
    """Return the fault of a finished result, which is not converted again."""
    what, remedy = "this is a Core ML model already", "give the model that it was made from"
    return Fault(where=path, what=what, remedy=remedy, error=UnsupportedError, code="MOD001")


def _list_needed(identity: Identity, options: UnpackOptions) -> tuple[str, ...]:
    contents = identity.contents
    if identity.model and CONTROLNET in identity.model.components:
        return (CONTROLNET,)
    if options.only_unet and (identity.model or identity.single):
        return ("unet",)
    if not identity.model and contents.kind is not Kind.PIPELINE:
        return ()
    family = identity.model.family if identity.model else contents.family
    return tuple(dict.fromkeys(program.source for program in PROGRAMS.get(family, ())))


def _refuse(identity: Identity, options: UnpackOptions) -> Fault | None:
    """Return the fault if no file of this kind can be converted; damage is judged elsewhere."""
    contents, model = identity.contents, identity.model
    if model and CONTROLNET in model.components:
        return _refuse_net(model)
    if model and contents.family is Family.UNKNOWN and _lacks_unet(model):
        return None  # its config, about which there is a fault, would say which family it is
    is_enough = options.only_unet and contents.kind is Kind.UNET and "unet" in identity.configs
    if contents.kind is Kind.PIPELINE or is_enough or contents.family in UNBUILT:
        fault = refuse(contents.family, contents.task, identity.path, identity.named)
        return fault and replace(fault, code="MOD009")
    if contents.kind in (Kind.UNKNOWN, Kind.OTHER_FAMILY) and contents.flavour:
        what = f"this is {contents.flavour}, another family of models, which no app runs"
        code = "MOD009"
        return Fault(
            where=identity.path, what=what, remedy=ONE_OF, error=UnsupportedError, code=code
        )
    if identity.faults or model:
        return None
    said = ADD_ONS.get(contents.kind, _IN_A_FOLDER)
    said = f"no app {said}" if said.startswith("has ") else said
    kind = contents.kind.value
    said = said.removeprefix("not alone: ") if kind.endswith(" alone") else said
    what, remedy = f"this is {kind}: {said}", ""
    if contents.kind is Kind.UNKNOWN:
        what, remedy = "unknown kind of model: the names of its tensors are not known here", ONE_OF
    if option := GIVEN.get(contents.kind):
        remedy = command("convert", "MODEL", option, str(identity.path))
    elif contents.kind is Kind.UNET and not options.only_unet:
        alone = command("convert", identity.path, "--app", "comfyui")
        remedy = f"{ONE_OF}; for ComfyUI, which has the rest: {alone}"
    elif (above := identity.path.resolve().parent / INDEX_NAME).is_file():
        remedy = f"give the model folder that contains it: {above.parent}"
    return _refuse_unsupported(identity, what, remedy or ONE_OF, "MOD018")


def _lacks_unet(model: Model) -> bool:
    folder = model.path / "unet"
    faulty = {Path(fault.where) for fault in model.faults} & {folder, folder / "config.json"}
    return "unet" not in model.components and ("unet" in model.absent or bool(faulty))


def _refuse_unsupported(identity: Identity, what: str, remedy: str, code: str) -> Fault:
    where, error = identity.path, UnsupportedError
    return Fault(where=where, what=what, remedy=remedy, error=error, code=code)


_IN_A_FOLDER = "it needs its config.json: give the folder that holds both"
ONE_OF = "give a whole model of Stable Diffusion 1.x, 2.x or XL"


def _refuse_net(net: Model) -> Fault | None:
    if net.family in RUN["controlled_unet"][0]:
        return None
    what = f"no app drives a ControlNet of {net.family.value}"
    remedy = "convert one of Stable Diffusion 1.x or 2.x"
    where, error = net.path, UnsupportedError
    return Fault(where=where, what=what, remedy=remedy, error=error, code="MOD009")


_CODES: Mapping[FileKind, str] = {FileKind.POINTER: "MOD005", **dict.fromkeys(CONTAINERS, "MOD007")}
"""Maps each kind of faulty file to the id of the check that reports it; for others it is MOD006."""


def _with_code(fault: Fault, identity: Identity) -> Fault:
    """Return a fault found while reading, with the id of the check that reports it."""
    code, model = "MOD001", identity.model
    parts: Sequence[Component] = tuple(model.components.values()) if model else ()
    if identity.single and fault in identity.single.faults:
        code = "MOD018"
    elif fault.error is UnsafePickleError:
        code = "MOD008"
    elif model and fault in model.absent.values():
        code = "MOD003"
    elif any(fault in part.mismatches for part in parts):
        code = "MOD017"
    elif any(fault in part.faults for part in parts) or identity.form == "file":
        code = _code_of_file(Path(fault.where))
    return replace(fault, code=fault.code or code)


def _code_of_file(path: Path) -> str:
    if path.is_dir():
        return "MOD004"
    if path.suffix == ".json":
        return "MOD003"
    try:
        return _CODES.get(look_at(path)[1], "MOD006")
    except SdcoremlError:
        return "MOD006"


def _discords(
    identity: Identity,
    options: UnpackOptions,
    refusals: Mapping[str, Fault],
    *,
    accepts_schedule: bool,
) -> Iterator[Fault]:
    """Yield faults where components do not fit each other, or noise is not what the apps expect."""
    model, single, path = identity.model, identity.single, identity.path
    told = options.told.option if options.told else None
    prediction = single.prediction if single else model.prediction if model else None
    if prediction and prediction.kind is None:
        yield replace(UNSAID.at(path), code="MOD018")
    if single or (model and not identity.faults):
        noise = (
            refuse_prediction(told or identity.prediction, path),
            None if accepts_schedule else refuse_difference(identity.schedule, path),
        )
        yield from (replace(fault, code="MOD009") for fault in noise if fault)
    if not refusals and not identity.faults and identity.contents.family in PROGRAMS:
        yield from harmony_faults(identity.configs, path)


def _vocabulary(identity: Identity) -> Vocabulary | None:
    """Read the tokenizer of a sound model folder; `None` for anything else.

    A single file has no tokenizer: it gets one when it is converted.
    """
    model = identity.model
    if identity.faults or identity.contents.family not in PROGRAMS:
        return None
    is_whole = model and CONTROLNET not in model.components
    return read_vocabulary(identity.path, identity.configs) if is_whole else None
