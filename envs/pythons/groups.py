"""Groups of packages that are brought on first use, for those above this floor."""

from __future__ import annotations

from sdcoreml.envs.pythons.apart import Group
from sdcoreml.lockfiles.toolchain import FOLDER

STUDIO = Group(
    lock=FOLDER / "host" / "studio.txt",
    prefix="studio-",
    what="the server of the page, Starlette and uvicorn (once, 4 MB)",
)
"""What serves the page of `sdcoreml studio`."""
