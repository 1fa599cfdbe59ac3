"""What a conversion takes, from the model's own headers and what was measured for the toolchain."""

from __future__ import annotations

from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.doctor.core.facts import Facts, Goal, System, ToolchainFacts
from sdcoreml.doctor.core.subjects import Component, ModelFolder
from sdcoreml.ground.quantity import amount, duration

NATIVE = 512
"""Image pixels each way at which the rates were measured."""

_TEXT = "text_encoder"

MOST_CORES = 16
"""Beyond these a check waits for memory, not for cores."""


def estimate(facts: Facts) -> tuple[str, ...]:
    """Disk, memory and time for the model at hand, in words; nothing without a model."""
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
    seconds = estimate_processor_time(model, facts.goal, toolchain)
    if not seconds or not isinstance(facts.system, System) or facts.system.cores < 1:
        return needs
    cores = facts.system.cores
    number = f"{cores} cores" if cores > 1 else "1 core"
    time = duration(estimate_wall_time(seconds, cores, toolchain.parallel))
    # Graphs that are certified need not be run, which nobody knows before they are built.
    most = time if time.startswith("less") else f"at most {time}"
    measured = f" (measured on {toolchain.measured_on})" if toolchain.measured_on else ""
    return (*needs, f"{most} on {number}{measured}")


def estimate_disk(model: ModelFolder, toolchain: ToolchainFacts) -> int:
    """Bytes of the merged weights and of the result, which lie beside each other for a while."""
    return int(toolchain.disk * model.size)


def estimate_memory(model: ModelFolder, goal: Goal, toolchain: ToolchainFacts) -> int:
    """Peak bytes, of the component that takes the most.

    Where nobody measured, or the parts of a file are not known: the largest component's size times
    the toolchain's factor.
    """
    parts = _to_convert(model)
    if not toolchain.peaks or not parts:
        sizes = [sum(file.size for file in part.weights) for part in model.components]
        return int(toolchain.memory * max(sizes, default=0))
    each, area = toolchain.peaks.get("parameter", 0.0), _area(model, goal)
    return int(
        toolchain.peaks.get("base", 0.0)
        + max(
            each * part.parameters + area * toolchain.peaks.get(_kind(part), 0.0) for part in parts
        )
    )


def estimate_processor_time(model: ModelFolder, goal: Goal, toolchain: ToolchainFacts) -> float:
    """CPU seconds to build and to check in full; 0 when a needed part has no measured rate.

    Checking runs each program: what works on images takes time in proportion to their area. A
    toolchain without torch checks none.
    """
    parts = _to_convert(model)
    is_checked = "torch" in toolchain.pins
    build = toolchain.rates.get("build", 0.0)
    checks = [toolchain.rates.get(_kind(part), 0.0) for part in parts]
    if not build or (is_checked and not all(checks)):
        return 0.0
    area = _area(model, goal)
    return sum(
        part.parameters / 1e6 * (build + is_checked * rate * (1 if _kind(part) == _TEXT else area))
        for part, rate in zip(parts, checks, strict=True)
    )


def estimate_wall_time(seconds: float, cores: int, parallel: float) -> float:
    """Seconds on so many cores of work that takes `seconds` on one (Amdahl's law)."""
    return seconds * (1 - parallel + parallel / min(cores, MOST_CORES))


def _to_convert(model: ModelFolder) -> list[Component]:
    """The components that programs are made of."""
    return [part for part in model.components if part.name in model.needed]


def _kind(part: Component) -> str:
    """What it was measured as; SDXL's second text encoder is a larger one of the same kind."""
    return part.name.removesuffix("_2")


def _area(model: ModelFolder, goal: Goal) -> float:
    """The image's area, asked for or the UNet's own, in times of that of the measurement."""
    sides = (part.sample * PIXELS_PER_LATENT for part in model.components if part.name == "unet")
    own = next(sides, 0) or NATIVE
    return (goal.height or own) * (goal.width or own) / NATIVE**2
