"""Converts a random selection of the odd inputs that every command accepts."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sdcoreml.convert.worker import Worker
from sdcoreml.doctor.commands import convert
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.convert.stand_ins import MADE_IN
from tests.odd.case import Can, Case
from tests.odd.corpus import CASES
from tests.odd.survey import survey

DRAWN = 4
"""How many inputs to convert, at a minute each; `tests.odd.survey --convert` converts all."""


def lot(case: Case) -> bytes:
    return hashlib.sha256(f"draw {case.name}".encode()).digest()


def draw() -> list[Case]:
    return sorted((c for c in CASES if c.can is Can.YES and c.also is None), key=lot)[:DRAWN]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in draw()])
def test_what_all_say_yes_to_is_converted(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worker: Worker
) -> None:
    here = (load_toolchain("tested"), SimpleNamespace(python=Path(sys.executable), path=tmp_path))
    monkeypatch.setattr(convert, "choose_environment", lambda *_: here)
    monkeypatch.setattr(convert, "Worker", lambda **_: worker)
    monkeypatch.setattr(convert, "provenance", lambda *_: MADE_IN)
    monkeypatch.setattr(convert, "require_able", lambda *_: None)
    row = survey(case, tmp_path, "tested")
    assert list(row.faults()) == []
    assert row.convert.verdict == {"can": "yes", "code": None, "remedy": None}
