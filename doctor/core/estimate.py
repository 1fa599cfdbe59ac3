"""Estimates a conversion's resources from the model's headers and measured rates."""

from __future__ import annotations

from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.doctor.core.certified import is_certified, is_certified_at_another_size
from sdcoreml.doctor.core.facts import Facts, Goal, System, ToolchainFacts
from sdcoreml.doctor.core.subjects import ComponentState, ModelFolder
from sdcoreml.ground.quantity import amount, duration

NATIVE = 512
"""The image size in pixels at which the rates were measured."""

SMALL = 0.1
"""The area, as a part of the native one, for which programs are run that differ only in shapes."""

_TEXT = "text_encoder"

MOST_CORES = 16
"""The most cores that make a check faster; beyond, memory bandwidth limits its speed."""


def estimate(facts: Facts) -> tuple[str, ...]:
    """Return the disk, memory and time for the model, in words; empty without a model."""
    model, toolchain = facts.model, facts.toolchain
    if (
        not isinstance(model, ModelFolder)
        or not isinstance(toolchain, ToolchainFacts)
        or not model.size
    ):
        return ()
    needs = (
        f"about {amount(estimate_disk(model, toolchain))} of disk",
        f"about {amount(estimate_memory(model, facts.goal, toolchain))} of memory",
    )
    if not isinstance(facts.system, System) or facts.system.cores < 1:
        return needs
    cores = facts.system.cores
    seconds = estimate_time(model, facts.goal, toolchain, cores)
    if not seconds:
        return needs
    number = f"{cores} cores" if cores > 1 else "1 core"
    measured = f" (measured on {toolchain.measured_on})" if toolchain.measured_on else ""
    return (*needs, f"{duration(seconds)} on {number}{measured}")


def estimate_disk(model: ModelFolder, toolchain: ToolchainFacts) -> int:
    """Return the bytes of merged weights and result, which exist at the same time."""
    return int(toolchain.disk * model.size)


def estimate_memory(model: ModelFolder, goal: Goal, toolchain: ToolchainFacts) -> int:
    """Return the peak memory in bytes, that of the most demanding component.

    If the toolchain has no measured memory, or no component can be converted, it is the size of the
    largest component times the toolchain's factor.
    """
    parts = _to_convert(model, goal)
    if not toolchain.peaks or not parts:
        sizes = [sum(file.size for file in part.weights) for part in model.components]
        return int(toolchain.memory * max(sizes, default=0))
    return int(max(_peak(part, model, goal, toolchain) for part in parts))


def _peak(part: ComponentState, model: ModelFolder, goal: Goal, toolchain: ToolchainFacts) -> float:
    peaks = toolchain.peaks
    if "certified_base" in peaks and _is_certified(part, model, goal, toolchain):
        return peaks["certified_base"] + peaks["certified_parameter"] * part.parameters
    pictures = _area_run(part, model, goal, toolchain) * peaks.get(_kind(part), 0.0)
    return peaks.get("base", 0.0) + peaks.get("parameter", 0.0) * part.parameters + pictures


def estimate_time(model: ModelFolder, goal: Goal, toolchain: ToolchainFacts, cores: int) -> float:
    """Return the seconds on this many cores; 0 if a component has no measured rate.

    Building and comparing weights use one core; running programs uses all.
    """
    making = estimate_making(model, goal, toolchain)
    checking = estimate_checking(model, goal, toolchain)
    if not making or checking is None:
        return 0.0
    return making + estimate_wall_time(checking, cores, toolchain.parallel)


def estimate_making(model: ModelFolder, goal: Goal, toolchain: ToolchainFacts) -> float:
    """Return the CPU seconds to build every program and compare its weights; 0 if not measured."""
    rates = toolchain.rates
    each = rates["build"] + rates.get("audit", 0.0) if "build" in rates else 0.0
    return sum(part.parameters / 1e6 * each for part in _to_convert(model, goal))


def estimate_checking(model: ModelFolder, goal: Goal, toolchain: ToolchainFacts) -> float | None:
    """Return the CPU seconds to run uncertified programs; `None` if one was not measured.

    For components that work on images, time is proportional to the area of the image that they are
    run for. A toolchain without torch runs no programs.
    """
    if "torch" not in toolchain.pins:
        return 0.0
    parts = [
        part for part in _to_convert(model, goal) if not _is_certified(part, model, goal, toolchain)
    ]
    if any(_kind(part) not in toolchain.rates for part in parts):
        return None
    return sum(
        part.parameters
        / 1e6
        * toolchain.rates[_kind(part)]
        * (1 if _kind(part) == _TEXT else _area_run(part, model, goal, toolchain))
        for part in parts
    )


def estimate_wall_time(seconds: float, cores: int, parallel: float) -> float:
    """Return the seconds on `cores` cores of work that takes `seconds` on one (Amdahl's law)."""
    return seconds * (1 - parallel + parallel / min(cores, MOST_CORES))


def _to_convert(model: ModelFolder, goal: Goal) -> list[ComponentState]:
    """Return the components from which programs are made."""
    needed = {"unet"} if goal.is_for_comfyui else model.needed
    return [part for part in model.components if part.name in needed]


def _caller(goal: Goal) -> str:
    """Return what certificates' titles say of what calls a UNet; see `tools.certify.cases`."""
    return " for ComfyUI" if goal.is_for_comfyui else ""


def _kind(part: ComponentState) -> str:
    """Return the name under which a component was measured: text_encoder_2 is a text_encoder."""
    return part.name.removesuffix("_2")


def _is_certified(
    part: ComponentState, model: ModelFolder, goal: Goal, toolchain: ToolchainFacts
) -> bool:
    attention, size, known = goal.attention, _size(model, goal), toolchain.certified
    return is_certified(part, model, known, attention=attention, size=size, caller=_caller(goal))


def _area_run(
    part: ComponentState, model: ModelFolder, goal: Goal, toolchain: ToolchainFacts
) -> float:
    """Return the area for which a component is run, divided by that of the measured rates."""
    area, known = _area(model, goal), toolchain.certified
    is_alike = is_certified_at_another_size(
        part, model, known, attention=goal.attention, caller=_caller(goal)
    )
    return min(area, SMALL) if is_alike else area


def _area(model: ModelFolder, goal: Goal) -> float:
    """Return the image's area, divided by that at which the rates were measured."""
    width, height = _size(model, goal)
    return width * height / NATIVE**2


def _size(model: ModelFolder, goal: Goal) -> tuple[int, int]:
    """Return the image's width and height in pixels: as requested, or the UNet's default."""
    sides = (part.sample * PIXELS_PER_LATENT for part in model.components if part.name == "unet")
    own = next(sides, 0) or NATIVE
    return goal.width or own, goal.height or own
