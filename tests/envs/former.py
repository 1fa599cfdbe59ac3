"""Seals an environment again, in the format of an earlier version of the program."""

from __future__ import annotations

import json
from dataclasses import replace

from sdcoreml.envs.kept import former, manifest, store
from sdcoreml.envs.kept.manifest import EntryKind
from sdcoreml.envs.kept.store import Environment


def make_former(environment: Environment) -> Environment:
    """Seal an environment in version 1 of the format; return its new record."""
    folder = environment.path
    (folder / ".lock").touch()
    (folder / ".lock").chmod(0o666)
    (folder / "bin/activate").write_text("# as it was\n")
    for name in ("files.tsv", "python.tsv"):
        (folder / "sealed" / name).unlink()
    rows = [
        [one.kind.value, "-1", one.digest, str(one.size), str(one.mtime), one.owner, one.path]
        for one in manifest.take(folder)
        if one.kind is not EntryKind.FOLDER and not one.path.startswith("sealed/")
    ]
    lines = ["\t".join((row[0], *row[2:])) + "\n" for row in rows]
    (folder / "sealed/manifest.tsv").write_text("".join(lines))
    before = replace(environment, schema=1)
    record = json.loads((folder / "sealed/record.json").read_text())
    for name in ("digest", "listing"):
        del record[name]
    record |= {"schema": 1, "seal": former.seal_of(rows, before.facts()), "files": len(rows)}
    (folder / "sealed/record.json").write_text(json.dumps(record))
    made = store.read(environment.name, folder)
    assert made is not None
    assert made.is_former
    return made
