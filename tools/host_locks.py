"""`python -m tools.host_locks [--check] [--upgrade [PACKAGE]]`: compiles the host's own locks.

They are what `.venv`, the tests in the built environment, the conda engine, Dask and the
studio are made of.
Versions stay as they are locked unless they are told to move, or no longer fit `pyproject.toml`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sdcoreml.ground.aside import update_text

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path("lockfiles", "host")
SOURCES: Mapping[str, tuple[str, ...]] = {
    "browser.txt": ("--group", "browser"),
    "cluster.txt": ("--group", "cluster"),
    "conda.txt": ("--group", "conda"),
    "inside.txt": ("--group", "inside"),
    "studio.txt": ("--group", "studio"),
    "requirements.txt": ("pyproject.toml", "--extra", "locking", "--group", "dev"),
}
"""Maps each lock to the requirements of `pyproject.toml` that it is compiled from."""

OPTIONS = (
    *("--universal", "--python-version", "3.10", "--generate-hashes"),
    *("--no-header", "--no-annotate", "--quiet"),
)


Run = Callable[[Sequence[str]], None]
"""Runs uv, which writes the lock that its option `-o` names."""


def main(argv: Sequence[str] | None = None, run: Run | None = None, root: Path = ROOT) -> int:
    """Compile the locks and write those that changed; with --check, return 1 if any would."""
    parser = argparse.ArgumentParser(prog="python -m tools.host_locks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--upgrade", nargs="?", const="", metavar="PACKAGE", help="by default all")
    args = parser.parse_args(argv)
    folder = root / FOLDER
    compiled = {name: compile_lock(folder / name, args.upgrade, run or run_uv) for name in SOURCES}
    changed = [name for name in SOURCES if compiled[name] != (folder / name).read_text("utf-8")]
    for name in changed:
        if not args.check:
            update_text(folder / name, compiled[name])
        print(f"{FOLDER / name} is stale" if args.check else f"wrote {FOLDER / name}")
    if not changed:
        print("host: nothing moved")
    return int(args.check and bool(changed))


def compile_lock(lock: Path, upgrade: str | None, run: Run) -> str:
    """Return the new text of a lock; the present one says which versions stay.

    `upgrade` names the package that moves: "" for all, `None` for none.
    """
    words = {None: [], "": ["--upgrade"]}.get(upgrade, ["--upgrade-package", f"{upgrade}"])
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / lock.name
        shutil.copyfile(lock, made)
        run([*SOURCES[lock.name], *OPTIONS, *words, "-o", str(made)])
        return made.read_text("utf-8")


def run_uv(words: Sequence[str]) -> None:
    """Run `uv pip compile` in the checkout; raise CalledProcessError if it cannot resolve."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([str(uv), "pip", "compile", *words], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
