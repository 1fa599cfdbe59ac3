"""Tables of facts that came from elsewhere, and of words that people meet, are kept whole."""

from __future__ import annotations

from types import ModuleType

import pytest

from sdcoreml.ground import advice, files, markup, visible
from sdcoreml.lockfiles import artefact as lockfiles_artefact
from sdcoreml.lockfiles import target as lockfiles_target
from sdcoreml.lockfiles import versions as lockfiles_versions
from tests.golden import assert_golden, table_of

TABLES: tuple[tuple[ModuleType, tuple[str, ...]], ...] = (
    (advice, ("VARIABLES",)),
    (files, ("LARGEST",)),
    (markup, ("_ESCAPES", "_EMPTY", "_SPELT")),
    (visible, ("_SHOWN",)),
    (lockfiles_artefact, ("_OLD_MANYLINUX",)),
    (lockfiles_target, ("_ROWS",)),
    (lockfiles_versions, ("_STAGES",)),
)


@pytest.mark.parametrize(("module", "names"), TABLES, ids=lambda one: getattr(one, "__name__", ""))
def test_a_table_is_as_it_is_kept(module: ModuleType, names: tuple[str, ...]) -> None:
    name = module.__name__.removeprefix("sdcoreml.")
    assert_golden(f"table-{name}", table_of(module, *names))
