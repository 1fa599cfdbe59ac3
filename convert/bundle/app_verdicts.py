"""Which apps run a model that was identified, as the converter converts it for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.bundle.apps import COMFYUI, AppVerdict, verdicts
from sdcoreml.convert.models.identify import Identity
from sdcoreml.convert.programs.drawable import require_drawable
from sdcoreml.convert.programs.options import ProgramOptions, Runtime
from sdcoreml.ground.errors import Fault, SdcoremlError

_PROGRAMS: Mapping[str, str] = {"vae": "vae_decoder"}
"""Maps a component to the program whose builder checks its config, if the names differ."""

_ANY_SIZE = ProgramOptions(height=64, width=64)
"""Options with a size that every model accepts; a size that was asked for is judged elsewhere."""

Refusals = Mapping[str, Fault]
"""Maps each component whose config a builder rejects to the reason."""


def config_refusals(identity: Identity, needed: Sequence[str], runtime: Runtime) -> Refusals:
    """Return the needed components whose configs the builders reject, if `runtime` is to call."""
    return {
        name: fault
        for name, config in identity.configs.items()
        if name in needed
        and (config or not identity.faults)
        and (fault := _refuse_config(name, config, identity.path, runtime))
    }


def _refuse_config(
    component: str, config: Mapping[str, object], path: Path, runtime: Runtime
) -> Fault | None:
    """Return the fault if the component's builder rejects its config, in the builder's words."""
    try:
        require_drawable(
            _PROGRAMS.get(component, component), config, replace(_ANY_SIZE, runtime=runtime)
        )
    except SdcoremlError as error:
        return replace(error.fault.at(path), code="MOD010")
    return None


def app_verdicts(
    identity: Identity, refusals: Mapping[Runtime, Refusals]
) -> tuple[AppVerdict, ...]:
    """Return the apps' verdicts; "no" of all if the model has faults, of those it is refused for.

    `refusals` says what the builders reject for each of the runtimes.
    """
    return tuple(
        _unless_refused(
            one,
            identity,
            refusals[Runtime.COMFYUI if one.target == COMFYUI else Runtime.SWIFT],
        )
        for one in verdicts(identity.contents)
    )


def _unless_refused(one: AppVerdict, identity: Identity, refusals: Refusals) -> AppVerdict:
    why = "not until its faults are mended" if identity.faults else ""
    if not why and refusals:
        name, fault = next(iter(refusals.items()))
        why = f"the converter refuses it: {name}: {replace(fault, where='')}"
    return replace(one, runs="no", reason=why) if why and one.runs != "no" else one
