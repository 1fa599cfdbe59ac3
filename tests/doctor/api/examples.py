"""The examples of the page about the Python API."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "doctor" / "api" / "README.md"


def examples() -> list[str]:
    """Return the blocks of Python on the page."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
