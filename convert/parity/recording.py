"""Makes a program's inputs, and records a sample of what it computes from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from sdcoreml.convert.proof.answers import Answers
from sdcoreml.convert.proof.sampling import record
from sdcoreml.convert.references.inputs import SEED, Feeds

Outputs = Mapping[str, torch.Tensor]


def record_answers(feeds: Sequence[Feeds], outputs: Sequence[Outputs] | None) -> Answers | None:
    """Record a sample of the outputs of each run; `None` if there are none to record."""
    if not outputs:
        return None
    return record(SEED, [as_arrays(feed) for feed in feeds], [as_arrays(run) for run in outputs])


def as_arrays(tensors: Outputs) -> dict[str, np.ndarray]:
    """Return tensors as float32 arrays, by name."""
    return {name: tensor.float().numpy() for name, tensor in tensors.items()}
