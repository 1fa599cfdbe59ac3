"""The real engine, brought once into the store of this checkout and lent to the tests' stores."""

from __future__ import annotations

from pathlib import Path

from sdcoreml.envs.conda.engine import Engine, find_engine
from sdcoreml.envs.kept import store
from sdcoreml.ground.events import silent
from sdcoreml.ground.places import environments_folder

SHARED = environments_folder()


def real_engine() -> Engine:
    """py-rattler, from the store of this checkout."""
    with store.hold_lock(SHARED) as held:
        return find_engine(SHARED, silent, keep=(held,))


def lend_engine(root: Path) -> None:
    """Give a test's store the engine, so that it need not be fetched again."""
    real_engine()
    root.mkdir(parents=True, exist_ok=True)
    for folder in SHARED.glob("engine-*"):
        (root / folder.name).symlink_to(folder)
