"""Figures, names and defaults of what runs only here stay what they are, as those of the host."""

from __future__ import annotations

from tests.constants import assert_kept, constants, modules


def test_constants_and_defaults_are_as_they_are_kept() -> None:
    found = {
        name: text
        for one in modules("convert", inside=True)
        for name, text in constants(one).items()
    }
    assert_kept("inside", found)
