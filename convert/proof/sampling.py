"""Records a sample of a program's outputs, and compares other outputs with it; needs numpy."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sdcoreml.convert.proof.answers import MOST, Answers, Distance
from sdcoreml.convert.proof.decibels import IDENTICAL, decibels
from sdcoreml.ground.errors import ParityError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_GOLDEN = (math.sqrt(5) - 1) / 2


def record(
    seed: int, inputs: Sequence[Mapping[str, np.ndarray]], outputs: Sequence[Mapping[str, object]]
) -> Answers | None:
    """Record the outputs of each run; `None` if a number is too large for half precision."""
    with np.errstate(over="ignore"):
        numbers = {
            name: np.concatenate(
                [sample(np.asarray(run[name]), len(outputs)).astype("<f2") for run in outputs]
            )
            for name in outputs[0]
        }
    if not all(np.isfinite(one).all() for one in numbers.values()):
        return None
    return Answers(
        seed=seed,
        runs=len(outputs),
        inputs=digest_of(inputs),
        outputs={name: base64.b64encode(one.tobytes()).decode() for name, one in numbers.items()},
    )


def sample(numbers: np.ndarray, runs: int) -> np.ndarray:
    """Return the numbers of one run's output that are recorded.

    They are spread evenly, in steps of the golden section of the whole: a step that divides a row
    would see only some of its columns.
    """
    flat = numbers.reshape(-1)
    count, most = flat.size, MOST // runs
    if count <= most:
        return flat
    return flat[(np.arange(most) * _GOLDEN % 1 * count).astype(np.int64)]


def digest_of(inputs: Iterable[Mapping[str, np.ndarray]]) -> str:
    """Return the SHA-256 of inputs, as float32 in the order of runs and names."""
    digest = hashlib.sha256()
    for run in inputs:
        for name in sorted(run):
            digest.update(f"{name} {run[name].shape}\n".encode())
            digest.update(np.ascontiguousarray(run[name], dtype="<f4").tobytes())
    return digest.hexdigest()


def compare(answers: Answers, name: str, outputs: Sequence[np.ndarray]) -> Distance:
    """Compare an output of each run with the recorded numbers.

    Raises:
        BadInputError: the record is damaged.
        ParityError: the output has another number of elements.
    """
    worst = Distance(psnr=math.inf, max_error=0.0)
    for wanted, output in zip(answers.numbers(name), outputs, strict=True):
        found = sample(output, answers.runs)
        if found.size != len(wanted):
            raise ParityError(f"has {output.size:,} numbers, other than recorded", where=name)
        worst = _worse(worst, _distance(wanted, found))
    return worst


def _worse(one: Distance, other: Distance) -> Distance:
    errors = (one.max_error, other.max_error)
    return Distance(
        psnr=min(one.psnr, other.psnr),
        max_error=None if None in errors else max(e for e in errors if e is not None),
    )


def _distance(said: ArrayLike, given: ArrayLike) -> Distance:
    wanted, found = np.asarray(said, np.float64), np.asarray(given, np.float64)
    if not np.isfinite(found).all():
        return Distance(psnr=-IDENTICAL, max_error=None)
    difference = np.abs(wanted - found)
    rms = math.sqrt(float(np.square(difference).mean()))
    span = float(wanted.max() - wanted.min()) or float(np.abs(wanted).max())
    return Distance(psnr=round(decibels(span, rms), 2), max_error=float(f"{difference.max():.3g}"))
