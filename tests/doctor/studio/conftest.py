from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.studio.open_studio import Opened, open_studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Opened]:
    with open_studio(tmp_path) as opened:
        yield opened
