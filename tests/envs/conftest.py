from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.envs.pythons import venv
from sdcoreml.envs.pythons.interpreter import probe
from tests.envs.wheels import PYTHON


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Make an environment without packages; return its folder."""
    interpreter = probe(PYTHON)
    assert interpreter is not None
    venv.create(tmp_path / "env", interpreter)
    return tmp_path / "env"
