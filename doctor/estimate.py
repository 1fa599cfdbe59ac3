"""What a conversion takes, from the model's own headers and what was measured for the toolchain."""

from __future__ import annotations

from doctor.facts import Facts, Job, System, Toolchain
from doctor.quantity import amount, duration
from doctor.subjects import Component, ModelFolder

NATIVE = 512
"""Image pixels each way at which the rates were measured."""

LATENT = 8
"""Image pixels to one of the latent image, in which a UNet's sample_size counts."""

_TEXT = "text_encoder"


def estimate(facts: Facts) -> tuple[str, ...]:
    """Disk, memory and time for the model at hand, in words; nothing without a model."""
    model, toolchain = facts.model, facts.toolchain
    if not isinstance(model, ModelFolder) or not isinstance(toolchain, Toolchain) or not model.size:
        return ()
    needs = (
        f"about {amount(toolchain.disk * model.size)} of disk",
        f"about {amount(needed_memory(model, toolchain))} of memory",
    )
    seconds = processor_time(model, facts.job, toolchain)
    if not seconds or not isinstance(facts.system, System) or not facts.system.cores:
        return needs
    cores = facts.system.cores
    number = f"{cores} cores" if cores > 1 else "1 core"
    return (*needs, f"{duration(seconds / cores)} on {number}")


def needed_memory(model: ModelFolder, toolchain: Toolchain) -> int:
    """Peak bytes: the largest component, widened and checked, times the toolchain's factor."""
    parts = [sum(file.size for file in part.weights) for part in model.components]
    return int(toolchain.memory * max(parts, default=0))


def processor_time(model: ModelFolder, job: Job, toolchain: Toolchain) -> float:
    """CPU seconds to build and to check in full; 0 when a needed part has no measured rate.

    Checking runs each program: what works on images takes time in proportion to their area.
    """
    parts = [part for part in model.components if part.name in model.needed]
    rates = [_rate(part, toolchain) for part in parts]
    if not all(rates):
        return 0.0
    area = _area(model, job)
    build = toolchain.rates.get("build", 0.0)
    return sum(
        part.parameters / 1e6 * (build + rate * (1 if part.name.startswith(_TEXT) else area))
        for part, rate in zip(parts, rates, strict=True)
    )


def _rate(part: Component, toolchain: Toolchain) -> float:
    """The component's own rate; SDXL's second text encoder is a larger one of the same kind."""
    return toolchain.rates.get(part.name.removesuffix("_2"), 0.0)


def _area(model: ModelFolder, job: Job) -> float:
    """The image's area, asked for or the UNet's own, in times of that of the measurement."""
    sides = (part.sample * LATENT for part in model.components if part.name == "unet")
    own = next(sides, 0) or NATIVE
    return (job.height or own) * (job.width or own) / NATIVE**2
