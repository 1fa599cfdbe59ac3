"""Names of Python projects."""

from __future__ import annotations

import re


def normalise(name: str) -> str:
    """A project name in the form of PEP 503: `Scikit_Learn` becomes `scikit-learn`."""
    return re.sub(r"[-_.]+", "-", name).lower()
