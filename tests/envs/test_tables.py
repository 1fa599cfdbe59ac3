"""Tables of facts that came from elsewhere, and of words that people meet, are kept whole."""

from __future__ import annotations

from types import ModuleType

import pytest

from sdcoreml.envs.building import smoke as building_smoke
from sdcoreml.envs.conda import prefix as conda_prefix
from sdcoreml.envs.kept import activate as kept_activate
from sdcoreml.envs.locking import opinion as locking_opinion
from sdcoreml.envs.processes import process as processes_process
from sdcoreml.envs.processes import reasons as processes_reasons
from sdcoreml.envs.pythons import interpreter as pythons_interpreter
from sdcoreml.envs.upstream import fetch as upstream_fetch
from sdcoreml.envs.upstream import inert as upstream_inert
from sdcoreml.envs.upstream import store as upstream_store
from tests.golden import assert_golden, table_of

TABLES: tuple[tuple[ModuleType, tuple[str, ...]], ...] = (
    (building_smoke, ("_MODULES", "_OFFLINE")),
    (conda_prefix, ("_OF_THIS_MACHINE",)),
    (kept_activate, ("_DROPPED",)),
    (locking_opinion, ("_PLAIN",)),
    (processes_process, ("KEPT", "_FIXED")),
    (processes_reasons, ("REASONS",)),
    (pythons_interpreter, ("_CONDA_ROOTS", "UV_LACKS")),
    (upstream_fetch, ("_SETTINGS", "_QUIET", "_ELSEWHERE")),
    (upstream_inert, ("INERT",)),
    (upstream_store, ("_OWN",)),
)


@pytest.mark.parametrize(("module", "names"), TABLES, ids=lambda one: getattr(one, "__name__", ""))
def test_a_table_is_as_it_is_kept(module: ModuleType, names: tuple[str, ...]) -> None:
    name = module.__name__.removeprefix("sdcoreml.")
    assert_golden(f"table-{name}", table_of(module, *names))
