"""Brings the packages that serve the page: Starlette and uvicorn.

These two, because the page needs what the standard library's server lacks: answers that stay open
for events beside uploads of gigabytes, in one thread, with bounds on what a client may send. Both
are small, pure Python, maintained by one team for years, and widely read; a server without a
framework would be the same code written again. They take 4 MB, and nobody needs them who only
types, so they are no dependency of the tool.

Where they are installed already (a checkout's `.venv`, or `pip install sdcoreml[studio]`), those
are used. Else they are brought once, with locked hashes, into a folder of their own in the folder
of environments, and that is put last on the path of imports: nothing of ours is shadowed.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from sdcoreml.envs.kept import store
from sdcoreml.envs.pythons.apart import bring
from sdcoreml.envs.pythons.groups import STUDIO
from sdcoreml.ground.events import Emit

_NEEDED = ("starlette", "uvicorn")


def require_packages(root: Path, emit: Emit) -> None:
    """Make the packages importable; install them below `root` on first use.

    Raises:
        InstallError: they cannot be installed.
        EnvError: the running Python cannot be probed.
    """
    if all(importlib.util.find_spec(name) for name in _NEEDED):
        return
    sys.path.append(str(find_packages(root, emit)))
    importlib.invalidate_caches()


def find_packages(root: Path, emit: Emit) -> Path:
    """Return the folder that has the packages, installing them below `root` on first use.

    Raises:
        InstallError: they cannot be installed.
        EnvError: the running Python cannot be probed.
    """
    folder = root / STUDIO.folder_name()
    if not folder.is_dir():
        with store.hold_lock(root, emit) as held:
            bring(STUDIO, root, emit, keep=(held,))
    (site,) = folder.glob("lib/python*/site-packages")
    return site
