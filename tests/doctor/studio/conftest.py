from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdcoreml.doctor.studio.bench import Bench
from tests.doctor.studio.open_studio import Opened, open_studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Opened]:
    with open_studio(tmp_path) as opened:
        yield opened


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "results")
    yield made
    made.close()
