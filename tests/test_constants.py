"""Figures, names and defaults stay what they are until somebody means to change them."""

from __future__ import annotations

import pytest

from tests.constants import assert_kept, constants, modules


@pytest.mark.parametrize("floor", ["ground", "lockfiles", "envs", "convert", "doctor"])
def test_constants_and_defaults_are_as_they_are_kept(floor: str) -> None:
    found = {name: text for one in modules(floor) for name, text in constants(one).items()}
    assert_kept(floor, found)
