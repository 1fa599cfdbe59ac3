"""Figures, names and defaults stay what they are until somebody means to change them.

Each is kept in `tests/golden/constants-FLOOR.txt`. What is new, or is no longer there, is not asked
for: whoever lets the test write (`GOLDEN=write`) adds and removes it.
"""

from __future__ import annotations

import os

import pytest

from tests.constants import constants, modules
from tests.golden import FOLDER, assert_golden


@pytest.mark.parametrize("floor", ["ground", "lockfiles", "envs", "convert", "doctor"])
def test_constants_and_defaults_are_as_they_are_kept(floor: str) -> None:
    found = {name: text for one in modules(floor) for name, text in constants(one).items()}
    path = FOLDER / f"constants-{floor}.txt"
    kept = path.read_text("utf-8").splitlines() if path.is_file() else []
    if "GOLDEN" in os.environ:
        kept = [f"{name} = " for name in found]
    known = {line.partition(" = ")[0] for line in kept}
    lines = [f"{name} = {text}" for name, text in sorted(found.items()) if name in known]
    gone = [line for line in kept if line.partition(" = ")[0] not in found]
    assert_golden(f"constants-{floor}", "\n".join(sorted((*lines, *gone))))
