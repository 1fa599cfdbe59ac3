"""A worker whose children have a stand-in for coremltools, and a folder to load."""

from __future__ import annotations

import sys
from pathlib import Path

from sdcoreml.convert.worker import LAUNCH, Bounds, Worker

STAND_IN = Path(__file__).parent / "stand_in"

_BEFORE = """\
import os, sys
os.environ["FAULT"] = {fault!r}
sys.path.insert(0, {folder!r})
"""


def worker(fault: str = "", bounds: Bounds | None = None) -> Worker:
    """Return a worker of this environment; `fault` is such as `crash:Unet`."""
    before = _BEFORE.format(fault=fault, folder=str(STAND_IN))
    limits = {"load": bounds or Bounds(seconds=60), "placement": Bounds(seconds=60)}
    return Worker(python=Path(sys.executable), launch=before + LAUNCH, bounds=limits)
