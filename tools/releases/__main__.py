"""`python -m tools.releases FOLDER [PROJECT...]`: reads which releases have which names.

Wheels are kept in FOLDER and not brought twice. Their files are read, never imported. What is
found is written to `doctor/knowledge/released/`, where `diagnose` reads it.
"""

from __future__ import annotations

import argparse
import lzma
import os
import re
from collections.abc import Sequence
from pathlib import Path

from sdcoreml.doctor.knowledge.releases import FOLDER
from sdcoreml.ground.aside import file_aside
from tools.releases.index import LINUX, TAGS, Run, bring, list_versions, run_pip
from tools.releases.projects import PROJECTS, choose
from tools.releases.tabling import write_table
from tools.releases.wheels import Cache, read_wheel


def main(argv: Sequence[str] | None = None, run: Run = run_pip, into: Path = FOLDER) -> int:
    """Write the tables of the projects named, or of all; return 1 if a release has no wheel."""
    parser = argparse.ArgumentParser(prog="python -m tools.releases", description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where the wheels are kept")
    parser.add_argument("projects", metavar="PROJECT", nargs="*", help="by default all")
    args = parser.parse_args(argv)
    missing = 0
    for project in args.projects or PROJECTS:
        text, lost = make_table(project, args.folder / project, run)
        missing += len(lost)
        into.mkdir(exist_ok=True)
        with file_aside(into / f"{project}.txt.xz") as file:
            os.write(file, pack(text))
        print(f"{project}: {len(text)} characters; no wheel of {', '.join(lost) or 'none'}")
    return int(missing > 0)


def make_table(project: str, folder: Path, run: Run) -> tuple[str, tuple[str, ...]]:
    """Return a project's table, and the versions without a wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    known = PROJECTS[project]
    cache: Cache = {}
    tags = (*TAGS, *LINUX) if known.is_linux else TAGS
    versions = choose(list_versions(project, run, tags), known)
    wheels = {version: bring(project, version, folder, run, tags) for version in versions}
    read = [read_wheel(one, re.compile(known.skipped), cache) for one in wheels.values() if one]
    releases = [one for one in read if not known.needed or known.needed in one.modules]
    lost = tuple(version for version, wheel in wheels.items() if wheel is None)
    return write_table(releases, re.compile(known.plain), re.compile(known.inner)), lost


def pack(text: str) -> bytes:
    """Compress a table; the same text always gives the same bytes."""
    return lzma.compress(text.encode(), preset=9)


if __name__ == "__main__":
    raise SystemExit(main())
