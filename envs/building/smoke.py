"""Imports the direct pins of a toolchain in a fresh environment, isolated and offline."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from sdcoreml.envs.processes.process import isolate, run
from sdcoreml.ground.codec import DecodeError, from_plain
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError, BrokenError

_MODULES = {
    "pillow": "PIL",
    "protobuf": "google.protobuf",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
}
"""Module names by project, where they are not the project's name with `_` instead of `-`."""

IMPORTS = """\
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        failed[name] = " ".join(f"{type(error).__name__}: {error}".split())
sys.stdout.write("\\n" + json.dumps(failed))
"""
"""A program that imports the named modules and prints those that fail, with the root cause."""

_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def module_of(project: str) -> str:
    """Return the module to import for a project."""
    return _MODULES.get(project, project.replace("-", "_"))


def import_all(python: Path, projects: Iterable[str]) -> None:
    """Import the module of each project, all in one child process that leaves no files behind.

    Raises:
        BrokenError: a module cannot be imported; lists all that cannot.
    """
    modules = [module_of(project) for project in projects]
    with tempfile.TemporaryDirectory() as nowhere:  # some packages write into HOME on import
        done = run(
            [*isolate(python), "-B", "-c", IMPORTS, *modules],
            cwd=Path(nowhere),
            environ=_OFFLINE | {"HOME": nowhere},
        )
    try:
        answer = parse_json(done.out.rpartition("\n")[2])
        failed = from_plain(dict[str, str], answer)
    except (BadInputError, DecodeError):
        last = (done.err.strip().splitlines() or ["it printed nothing"])[-1]
        failed = {"the interpreter": f"exit code {done.code}: {last}"}
    if failed:
        said = "; ".join(f"{name}: {why}" for name, why in failed.items())
        raise BrokenError(
            f"these packages cannot be imported: {said}",
            remedy="ask `sdcoreml doctor` why",
        )
