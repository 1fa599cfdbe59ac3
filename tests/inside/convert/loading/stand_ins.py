"""A worker whose children have a stand-in for coremltools."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from sdcoreml.convert.watch import Bounds
from sdcoreml.convert.worker import LAUNCH, Worker

STAND_IN = Path(__file__).parent / "stand_in"

_BEFORE = """\
import os, sys
os.environ["FAULT"] = {fault!r}
sys.path.insert(0, {folder!r})
for name in [name for name in sys.modules if name.partition(".")[0] == "coremltools"]:
    del sys.modules[name]  # the real one, which a fork has
"""


def loading_worker(
    fault: str = "", bounds: Bounds | None = None, start: Callable[[str], str] = str
) -> Worker:
    """Return a worker of this environment; `fault` is such as `crash:Unet`.

    `start` makes of a child's program one that starts otherwise, such as in a fork.
    """
    before = _BEFORE.format(fault=fault, folder=str(STAND_IN))
    limits = {"load": bounds or Bounds(seconds=600), "placement": Bounds(seconds=600)}
    return Worker(python=Path(sys.executable), launch=start(before + LAUNCH), bounds=limits)
