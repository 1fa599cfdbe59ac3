"""The real conda engine, which is installed once for this checkout and linked into tests."""

from __future__ import annotations

from pathlib import Path

from sdcoreml.envs.conda.engine import Engine, find_engine
from sdcoreml.envs.kept import store
from sdcoreml.ground.events import silent
from sdcoreml.ground.places import environments_folder

SHARED = environments_folder()


def real_engine() -> Engine:
    """Return the py-rattler engine in this checkout's environments; install it if it is missing."""
    with store.hold_lock(SHARED) as held:
        return find_engine(SHARED, silent, keep=(held,))


def lend_engine(root: Path) -> None:
    """Link the engine into a test's folder of environments, so that no test downloads it."""
    real_engine()
    root.mkdir(parents=True, exist_ok=True)
    for folder in SHARED.glob("engine-*"):
        (root / folder.name).symlink_to(folder)
