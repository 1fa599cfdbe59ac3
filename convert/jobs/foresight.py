"""Foresees how much work a conversion is, from the headers of its weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.compression.compress import LEAST_ELEMENTS
from sdcoreml.convert.compression.forms import count_palettes
from sdcoreml.convert.compression.recipe import WHOLE, Method, Recipe, parse_recipe
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.reading import HALVES
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.ground.events import Event
from sdcoreml.ground.labour import (
    STARTING,
    Labour,
    auditing,
    clustering,
    comparing,
    compiling,
    drawing,
    hashing,
    plan,
    reading,
    writing,
)

_BYTES = {"F64": 8, "F32": 4}
"""The bytes of a number in a checkpoint, by its type; others are taken for two."""


def foresee(jobs: Sequence[Job], workers: int) -> Event:
    """Return the event that says how much work it is to convert one model with these jobs.

    What programs have in common is made once, but audited for each.
    """
    amounts = {**dict.fromkeys(Labour, 0.0), Labour.DRAW: STARTING}
    made: set[object] = set()
    for job in jobs:
        for part in job.parts:
            _add(job, part, amounts, made)
    return plan(amounts, workers)


def _add(job: Job, part: ProgramSpec, amounts: dict[Labour, float], made: set[object]) -> None:
    """Add the work of one program; `made` are the weights that earlier ones have, too."""
    fields = job.options.recipe_for(part)
    recipe = parse_recipe(fields, part.program) if fields else None
    for tensor in _tensors(job, part):
        count = math.prod(tensor.shape)
        bits = _bits(tensor, recipe)
        rounded = bits != WHOLE
        amounts[Labour.AUDIT] += auditing(count) if rounded else 0.0
        amounts[Labour.COMPARE] += 0.0 if rounded else comparing(count)
        amounts[Labour.DRAW] += drawing(1)
        amounts[Labour.COMPILE] += compiling(1)
        if (part.source, tensor.name) not in made:
            amounts[Labour.READ] += reading(count * _BYTES.get(tensor.dtype, 2))
        if (part.source, tensor.name, bits) not in made:
            amounts[Labour.WRITE] += writing(count, rounded=rounded)
            amounts[Labour.HASH] += hashing(count * bits // 8)
            if recipe and rounded:
                amounts[Labour.CLUSTER] += _clustering(tensor, recipe, bits)
        made |= {(part.source, tensor.name), (part.source, tensor.name, bits)}


def _tensors(job: Job, part: ProgramSpec) -> Iterator[TensorInfo]:
    checkpoint = job.model.components[part.source].checkpoint
    starts = HALVES.get(part.program, ("",))
    for tensor in checkpoint.tensors if checkpoint else ():
        if tensor.name.startswith(starts):
            yield tensor


def _bits(tensor: TensorInfo, recipe: Recipe | None) -> int:
    """Return how many bits an element is likely to get; names in a recipe are a program's."""
    is_layer = len(tensor.shape) > 1 and "embedding" not in tensor.name
    if recipe is None or not is_layer or math.prod(tensor.shape) < LEAST_ELEMENTS:
        return WHOLE
    return recipe.bits_of(tensor.name.replace(".", "_"))


def _clustering(tensor: TensorInfo, recipe: Recipe, bits: int) -> float:
    palettes = count_palettes(tensor.shape, recipe.group_size)
    width = bits if recipe.method is Method.KMEANS else 0
    return clustering(math.prod(tensor.shape), width, palettes)
