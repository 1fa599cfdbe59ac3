"""A record of what a program computed, to compare with what Core ML computes later.

The inputs are named by their seed and a digest, since any machine can make them again. Of each
output, at most `MOST` numbers are recorded, in half precision: enough to tell a right program from
a wrong one, and to measure up to some 80 dB. `convert.proof.sampling` chooses them.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from sdcoreml.ground.errors import BadInputError

MOST = 4096
"""The most numbers that are recorded of an output, over all runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A sample of a program's outputs over `runs` sets of inputs, computed in float32.

    `seed` is that of the inputs, `inputs` the SHA-256 of all of them. `outputs` maps each output to
    its sampled numbers, run after run: float16, little-endian, in base64.
    """

    seed: int
    runs: int
    inputs: str
    outputs: Mapping[str, str]

    def numbers(self, output: str) -> tuple[tuple[float, ...], ...]:
        """Return the recorded numbers of an output, one tuple per run.

        Raises:
            BadInputError: they are not numbers as a conversion records them.
        """
        try:
            raw = base64.b64decode(self.outputs[output], validate=True)
            found = [number for (number,) in struct.iter_unpack("<e", raw)]
        except (KeyError, ValueError, struct.error):
            found = []
        each, rest = divmod(len(found), self.runs) if self.runs > 0 else (0, 1)
        if not each or rest or len(found) > MOST or not all(map(math.isfinite, found)):
            remedy = "convert the model again"
            raise BadInputError("no recorded answers", where=output, remedy=remedy)
        return tuple(tuple(found[n : n + each]) for n in range(0, len(found), each))


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far an output is from the recorded one, in the worst of the runs.

    `psnr` is in dB, -999 if a number is not finite; `max_error` is the largest difference, `None`
    if it is not finite.
    """

    psnr: float
    max_error: float | None
