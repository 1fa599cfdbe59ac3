"""Fixtures for tests of model names: a hub on this machine, and a client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdcoreml.convert.hub.access import Access
from tests.convert.hub.server import Server, serving


@pytest.fixture(scope="session")
def _running() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def hub(_running: Server) -> Server:
    """Return the running server, emptied of models, faults and recorded requests."""
    _running.repositories.clear()
    _running.pages.clear()
    _running.faults.clear()
    _running.requests.clear()
    _running.sent = 0
    _running.gate = None
    return _running


@pytest.fixture
def access(hub: Server, tmp_path: Path) -> Access:
    """Return the settings by which a client uses the server, with empty folders."""
    return Access(
        hub=hub.address,
        civitai=hub.address,
        cache=tmp_path / "hub",
        downloads=tmp_path / "downloads",
    )
