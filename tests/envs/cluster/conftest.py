"""Members without Dask, and what they say."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sdcoreml.envs.cluster import coordinating, scheduling, speaking, working
from tests.envs.cluster import stand_ins

Said = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Put stand-ins in the place of Dask; return what is called."""
    for name, module in stand_ins.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return stand_ins.CALLS


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return what says that stdin is closed."""
    event = threading.Event()
    for module in (coordinating, scheduling, speaking, working):
        monkeypatch.setattr(module, "ENDED", event)
    return event


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Return a function that returns the lines since it was last called."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
