"""Tells what met in a run where two sizes do not fit: what was given, and what takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdcoreml.doctor.knowledge.differences import Tensor, find_sign

_MET = {
    "channels": re.compile(
        r"weight of size \[(?P<weight>\d+, \d+)[\d, ]*\], expected input\[[\d, ]+\] to have \d+"
        r" channels, but got (?P<given>\d+) channels"
    ),
    "widths": re.compile(
        r"(?:mat1 and mat2|input and weight\.T) shapes cannot be multiplied"
        r" \(\d+x(?P<given>\d+) and"
        r" (?P<weight>\d+x\d+)\)"
    ),
    "tensors": re.compile(
        r"size of tensor a \((?P<given>\d+)\) must match the size of tensor b \((?P<weight>\d+)\)"
        r" at non-singleton dimension (?P<at>\d)"
    ),
}


def explain_meeting(line: str) -> Mapping[str, str]:
    """Return `sizes`, what met where two sizes do not fit, and `cure`; {} if they tell nothing."""
    for what, form in _MET.items():
        found = form.search(line)
        if found is None:
            continue
        at = f" at {found['at']}" if what == "tensors" else ""
        shape = f"{found['given']} | {found['weight']}{at}"
        if sign := find_sign(Tensor(name=what, shape=shape), "meeting"):
            return {"sizes": sign.what} | ({"cure": sign.cure} if sign.cure else {})
    return {}
