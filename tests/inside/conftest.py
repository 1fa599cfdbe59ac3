"""Settings for the tests in the built environment."""

from __future__ import annotations

import os
from pathlib import Path


def pytest_sessionstart() -> None:
    # The pinned libraries write their caches' versions on import, which is not the tests' doing.
    os.environ["XDG_CACHE_HOME"] = os.fspath(Path(os.environ["HOME"]).with_name("cache"))
