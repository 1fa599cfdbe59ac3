"""The normal form of the names of Python projects (PEP 503)."""

from __future__ import annotations

import re


def normalise(name: str) -> str:
    """Return a project name as PEP 503 normalises it: `Scikit_Learn` becomes `scikit-learn`."""
    return re.sub(r"[-_.]+", "-", name).lower()
