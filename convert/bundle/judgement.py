"""One judgement of a path, by headers alone: what it is, and whether it can be converted.

The same reading and the same rules serve `sdcoreml inspect`, the doctor's checks of a model and the
converter: identify, take apart, then ask what each app and each builder demands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.apps import ADD_ONS, Verdict, verdicts
from sdcoreml.convert.bundle.families import PROGRAMS, refuse
from sdcoreml.convert.bundle.noise import refuse_difference, refuse_prediction
from sdcoreml.convert.models.contents import Kind
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.identify import Identity, identify_path
from sdcoreml.convert.programs.drawable import require_drawable
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.ground.errors import Fault, SdcoremlError, UnsupportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a path is, and what stands against converting it.

    `needed` are the components that its programs are made of. `refusal` says why no such model can
    be converted, `refusals` why a builder takes no component of such a config. `verdicts` are the
    apps' answers, a no where the converter says no.
    """

    identity: Identity
    needed: tuple[str, ...] = ()
    refusal: Fault | None = None
    refusals: Mapping[str, Fault] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()

    @property
    def lacking(self) -> tuple[str, ...]:
        """Components that are needed and not there."""
        return tuple(name for name in self.needed if name not in self.identity.configs)

    @property
    def reasons(self) -> tuple[Fault, ...]:
        """All that stands against a conversion; none if the headers promise that it works."""
        whole = [self.refusal] if self.refusal else []
        if self.lacking and not self.identity.faults:
            what = f"no {' and no '.join(self.lacking)} in it"
            remedy = "add what is missing from the model it was trained from"
            where = self.identity.path
            whole += [Fault(where=where, what=what, remedy=remedy, error=UnsupportedError)]
        return (*self.identity.faults, *whole, *self.refusals.values())


def judge(path: Path) -> Judgement:
    """Judge whatever lies at `path`. Faults are collected, never raised; no tensor is read."""
    identity = identify_path(path)
    refusals = {
        name: fault
        for name, config in identity.configs.items()
        if config and (fault := _refuse_config(name, config, path))
    }
    return Judgement(
        identity=identity,
        needed=_needed(identity),
        refusal=_refuse(identity),
        refusals=refusals,
        verdicts=_answers(identity, refusals),
    )


def _needed(identity: Identity) -> tuple[str, ...]:
    contents = identity.contents
    if identity.model and CONTROLNET in identity.model.components:
        return (CONTROLNET,)
    if not identity.model and contents.kind is not Kind.PIPELINE:
        return ()
    family = identity.model.family if identity.model else contents.family
    return tuple(dict.fromkeys(program.source for program in PROGRAMS.get(family, ())))


def _refuse(identity: Identity) -> Fault | None:
    """Why the converter has no use for what this is; what is damaged has faults instead."""
    contents = identity.contents
    if identity.model:
        is_net = CONTROLNET in identity.model.components
        return None if is_net else _refuse_model(identity)
    if contents.kind is Kind.PIPELINE:
        return _refuse_model(identity)
    if identity.faults:
        return None
    what = f"this is {contents.kind.value}: {ADD_ONS.get(contents.kind, _IN_A_FOLDER)}"
    if contents.kind is Kind.UNKNOWN:
        what = "no model that is known here: its tensors have other names"
    return Fault(where=identity.path, what=what, error=UnsupportedError)


def _refuse_model(identity: Identity) -> Fault | None:
    contents, path = identity.contents, identity.path
    return (
        refuse(contents.family, contents.task, path)
        or refuse_prediction(identity.prediction, path)
        or refuse_difference(identity.schedule, path)
    )


_IN_A_FOLDER = "not alone in a file: give the folder in which its config.json is"

_PROGRAMS: Mapping[str, str] = {"vae": "vae_decoder"}
"""The program that is made of a component, where it has another name."""

_ANY_SIZE = ProgramOptions(height=64, width=64)
"""Whether a size suits a model is another question."""


def _refuse_config(component: str, config: Mapping[str, Any], path: Path) -> Fault | None:
    """Why the builder of a component takes no such config, in its own words."""
    try:
        require_drawable(_PROGRAMS.get(component, component), config, _ANY_SIZE)
    except SdcoremlError as error:
        return error.fault.at(path)
    return None


def _answers(identity: Identity, refusals: Mapping[str, Fault]) -> tuple[Verdict, ...]:
    """The apps' verdicts, without a yes to what the converter refuses."""
    answers = verdicts(identity.contents)
    why = "not as it is: see the faults" if identity.faults else ""
    if not why and refusals:
        name, fault = next(iter(refusals.items()))
        why = f"the converter refuses it: {name}: {replace(fault, where='')}"
    if not why:
        return answers
    return tuple(
        one if one.runs == "no" else replace(one, runs="no", reason=why) for one in answers
    )
