"""The real conda engine: installed once beside this checkout's environments, linked into tests."""

from __future__ import annotations

from pathlib import Path

from sdcoreml.envs.conda.engine import Engine, find_engine
from sdcoreml.envs.kept import store
from sdcoreml.ground.events import silent
from sdcoreml.ground.places import environments_folder

SHARED = environments_folder()


def real_engine() -> Engine:
    """Return the py-rattler engine of this checkout's folder of environments."""
    with store.hold_lock(SHARED) as held:
        return find_engine(SHARED, silent, keep=(held,))


def lend_engine(root: Path) -> None:
    """Link the engine into a test's folder of environments, to avoid another download."""
    real_engine()
    root.mkdir(parents=True, exist_ok=True)
    for folder in SHARED.glob("engine-*"):
        (root / folder.name).symlink_to(folder)
