"""`python -m tools.conda_channel`: locks Python's conda packages from facts in public lock files.

`conda_facts.tsv` lists builds whose SHA-256 is in at least two public lock files, with the
dependencies recorded there: builds of 2023, against which Python 3.10.10 was built, and openssl,
ca-certificates, tzdata and gcc's libraries of 2026. Build numbers are taken from the build strings;
unknown sizes are left out. We write the rows as the index of a channel without archives, and the
engine's solver resolves there what `sdcoreml env lock --conda` would resolve on conda-forge. With
access to conda-forge, run that command instead; its locks replace these.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from sdcoreml.envs.conda.engine import Engine, find_engine
from sdcoreml.envs.kept import store
from sdcoreml.envs.locking.conda_locking import solve_python, write_conda_files, write_conda_locks
from sdcoreml.ground.events import Event
from sdcoreml.ground.places import environments_folder
from sdcoreml.lockfiles.conda import CondaLock
from sdcoreml.lockfiles.target import TARGETS
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain, toolchain_names

FACTS = Path(__file__).with_name("conda_facts.tsv")
Row: TypeAlias = Mapping[str, str]


def read_facts(path: Path = FACTS) -> tuple[Row, ...]:
    """Read one row for each build; the first line names the columns."""
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def write_channel(folder: Path, facts: Sequence[Row]) -> None:
    """Write the index of a channel with these builds, but without their archives."""
    for subdir in {"noarch", *(target.conda_subdir for target in TARGETS.values())}:
        packages: dict[str, dict[str, object]] = {"packages": {}, "packages.conda": {}}
        for row in facts:
            if row["subdir"] == subdir:
                kind = "packages.conda" if row["file"].endswith(".conda") else "packages"
                packages[kind][row["file"]] = _record(row)
        index = {"info": {"subdir": subdir}, **packages}
        (folder / subdir).mkdir(parents=True)
        (folder / subdir / "repodata.json").write_text(json.dumps(index), encoding="utf-8")


def _record(row: Row) -> dict[str, object]:
    """Convert a row to the format of a channel's index, without unknown fields."""
    optional = {key: row[key] for key in ("md5", "noarch") if row[key]}
    return {
        **{key: row[key] for key in ("name", "version", "build", "subdir", "sha256")},
        **optional,
        **({"size": int(row["size"])} if row["size"] else {}),
        "build_number": int(row["build_number"]),
        "depends": row["depends"].split("; ") if row["depends"] else [],
        "constrains": row["constrains"].split("; ") if row["constrains"] else [],
    }


def solve_facts(
    toolchain: Toolchain, engine: Engine, facts: Sequence[Row]
) -> tuple[CondaLock, ...]:
    """Resolve a toolchain's Python from the facts; each locked package records its source."""
    known = {
        row["sha256"]: f"its SHA-256 is in {row['sha256_in']} public lock files, this or another"
        f" hash of it in: {row['seen_in'].replace(' ', ', ')}"
        for row in facts
    }
    with tempfile.TemporaryDirectory() as folder:
        write_channel(Path(folder), facts)
        locks = solve_python(toolchain, engine, Path(folder).as_uri(), emit=_tell)
    return tuple(
        replace(
            lock, packages=tuple(replace(one, known=known[one.sha256]) for one in lock.packages)
        )
        for lock in locks
    )


def _tell(event: Event) -> None:
    print(event.text, file=sys.stderr)


def main() -> None:
    """Write the conda locks of the tested toolchain, and all toolchains' files for conda."""
    tested = load_toolchain("tested")
    with store.hold_lock(environments_folder(), _tell) as held:
        engine = find_engine(environments_folder(), _tell, keep=(held,))
    changed = write_conda_locks(tested, solve_facts(tested, engine, read_facts()))
    for name in toolchain_names():
        changed += write_conda_files(load_toolchain(name))
    for path in changed:
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
