"""Makes an empty virtual environment that can be moved and has the same bytes every time.

It is like one of `python -m venv`, but without absolute paths to itself: scripts find their
interpreter in their own folder, and `bin/activate` determines its own path. Only `pyvenv.cfg` and
the link `bin/python` depend on this machine: they contain the interpreter's path.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sdcoreml.envs.pythons.interpreter import Interpreter
from sdcoreml.ground.names import normalise

ACTIVATE = """\
# Source this from bash or zsh; `deactivate` undoes it.
_here=${BASH_SOURCE-}
if [ -n "${ZSH_VERSION-}" ]; then eval '_here=${(%):-%x}'; fi
VIRTUAL_ENV=$(CDPATH= cd -- "$(dirname -- "$_here")/.." && pwd)
_path_before=$PATH
unset _here PYTHONHOME
deactivate() {
    PATH=$_path_before
    unset VIRTUAL_ENV _path_before
    unset -f deactivate
    hash -r 2>/dev/null
}
PATH=$VIRTUAL_ENV/bin:$PATH
export VIRTUAL_ENV PATH
hash -r 2>/dev/null
"""


def create(folder: Path, interpreter: Interpreter) -> None:
    """Make the environment in `folder`, which must not exist yet."""
    minor = ".".join(interpreter.version.split(".")[:2])
    (folder / "bin").mkdir(parents=True)
    (folder / "lib" / f"python{minor}" / "site-packages").mkdir(parents=True)
    if sys.platform == "linux":
        (folder / "lib64").symlink_to("lib")  # some distributions build Python to look there
    (folder / "bin" / "activate").write_text(ACTIVATE, encoding="utf-8")
    for path, (is_link, said) in files_of_machine(interpreter).items():
        if is_link:
            (folder / path).symlink_to(said)
        else:
            (folder / path).write_text(said, encoding="utf-8")


def files_of_machine(interpreter: Interpreter) -> dict[str, tuple[bool, str]]:
    """Map each file that depends on the interpreter to: is it a link, and its target or text."""
    minor = ".".join(interpreter.version.split(".")[:2])
    python = os.fspath(interpreter.path)
    text = (
        f"home = {interpreter.path.parent}\n"
        "include-system-site-packages = false\n"
        f"version = {interpreter.version}\n"
        "relocatable = true\n"  # uv reads this and writes scripts that survive a move
    )
    links = {"bin/python": python, "bin/python3": "python", f"bin/python{minor}": "python"}
    return {"pyvenv.cfg": (False, text)} | {path: (True, to) for path, to in links.items()}


def site_packages(folder: Path) -> Path:
    """Return an environment's site-packages folder; conda links `python3.1` to `python3.10`."""
    found = sorted((folder / "lib").glob("python*/site-packages"))
    return next(path for path in found if not path.parent.is_symlink())


def list_projects(site: Path) -> dict[str, str]:
    """Map the normalised names of the projects in a site-packages folder to their versions."""
    names = sorted(info.name.removesuffix(".dist-info") for info in site.glob("*.dist-info"))
    split = (name.rpartition("-") for name in names)
    return {normalise(name): version for name, _, version in split}
