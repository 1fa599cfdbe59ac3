"""The host's Python, too, builds every golden program to the byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.convert.programs import DRAWERS
from tests.inside.convert.golden import AGAIN, CASES, FILE, build_here, digests

GOLDEN = json.loads(FILE.read_bytes())
FIRST = {case.component: name for name, case in reversed([*CASES.items()]) if case.dtype == "F16"}


@pytest.mark.parametrize(
    "component",
    [pytest.param(one, marks=[pytest.mark.slow] if "net" in one else []) for one in DRAWERS],
)
def test_every_component_is_what_it_was(component: str, tmp_path: Path) -> None:
    name = FIRST[component]
    found = digests(build_here, tmp_path, {name: CASES[name]})
    assert found == {name: GOLDEN[name]}, f"other bytes than before; if that is meant: {AGAIN}"


@pytest.mark.slow
def test_every_file_of_every_program_is_what_it_was(tmp_path: Path) -> None:
    found = digests(build_here, tmp_path)
    assert found == GOLDEN, f"other bytes than before; if that is meant: {AGAIN}"
