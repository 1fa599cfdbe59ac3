"""A tiny model that several modules of tests draw with."""

from __future__ import annotations

import pytest

from tests.inside.convert.tasks.tiny import Tiny, write_sd


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return write_sd(tmp_path_factory.mktemp("tiny"))
