"""`python -m tests.inside.convert.changes`: how many changes to a finished folder are found.

Converts the sample several times. Each round copies a folder, makes one change, and mends whatever
a person could who has this tool: every digest, the records of the weights, the graph's digest. Then
`verify` examines the copy: first alone and, if that finds nothing, against the sample. A change is
*found* if there is a fault or an error, and *told* if a note says that this cannot be proved.

The changes are divided in two halves by a digest of their names. `--half first` is for developing;
`--half second` is looked at only when all of the first half is found. `--python` names the Python
of the built environment, by default that of `tested`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from shutil import copytree, rmtree
from tempfile import TemporaryDirectory

from sdcoreml.convert.certificates.store import load
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.verify import Against, verify
from sdcoreml.convert.models.merge import merge_component
from sdcoreml.convert.worker import Outcome, Runner, Worker
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.events import Emit, silent
from sdcoreml.ground.places import environments_folder
from tests.convert.stand_ins import write_raw
from tests.inside.convert.changes.files import ANSWERS, FILES, Change
from tests.inside.convert.changes.folders import DONORS, FORMS, make, write_models
from tests.inside.convert.changes.graphs import GRAPHS
from tests.inside.convert.changes.manifests import (
    COMPRESSED,
    EDITS,
    MORE,
    WHOLE,
    WHOLE_COMPRESSED,
    Edit,
    edit,
)
from tests.inside.convert.changes.mending import mend, mend_proofs, read_raw
from tests.inside.convert.changes.swaps import SWAPPED_HALVES, SWAPS
from tests.inside.convert.changes.weights import PALETTES, WEIGHTS

HALVES = ("first", "second")


def in_manifest(path: tuple[str, ...], change: Edit) -> Change:
    """Return a change that edits one field of the manifest."""

    def apply(folder: Path, rng: Random) -> None:
        content = read_raw(folder)
        edit(content, path, change, rng)
        write_raw(content, folder)

    return apply


def in_whole(change: object) -> Change:
    """Return a change that edits the manifest as a whole."""

    def apply(folder: Path, _: Random) -> None:
        content = read_raw(folder)
        change(content)  # type: ignore[operator]
        write_raw(content, folder)

    return apply


def edits(*tables: Mapping[tuple[str, ...], Edit]) -> Mapping[str, Change]:
    """Return the edits of these tables as changes, by name; equal paths are numbered."""
    pairs = [(".".join(path), in_manifest(path, it)) for one in tables for path, it in one.items()]
    seen: Counter[str] = Counter()
    found = {}
    for name, change in pairs:
        seen[name] += 1
        number = "" if seen[name] == 1 else f" ({seen[name]})"
        section = "whole" if "." not in name else name.split(".")[0]
        found[f"manifest, {section}: {name}{number}"] = change
    return found


def whole(table: Mapping[str, object]) -> Mapping[str, Change]:
    """Return edits of the whole manifest as changes."""
    return {f"manifest, whole: {name}": in_whole(change) for name, change in table.items()}


def kinds(form: str) -> Mapping[str, Change]:
    """Return the changes to a folder of this form, by name."""
    match form:
        case "plain":
            return {**FILES, **WEIGHTS, **GRAPHS, **SWAPS, **edits(EDITS, MORE), **whole(WHOLE)}
        case "6 bits":
            return {**PALETTES, **WEIGHTS, **edits(COMPRESSED), **whole(WHOLE_COMPRESSED)}
        case "halves":
            return SWAPPED_HALVES
    figures = {path: it for path, it in EDITS.items() if "checked" in path}
    return {**edits(figures), **ANSWERS}


def half_of(form: str, name: str) -> str:
    """Return the half that a change belongs to, by a digest of its name."""
    return HALVES[hashlib.sha256(f"{form} {name}".encode()).digest()[0] % 2]


class Remembering:
    """A runner that answers a repeated request for the same files as before.

    Files are told apart by their content, so that a changed package is checked anew.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._known: dict[str, Outcome | SdcoremlError] = {}

    def run(self, task: str, request: Mapping[str, object], emit: Emit = silent) -> Outcome:
        """Run one task, or return or raise what came of it before."""
        key = self._key(task, request)
        if key not in self._known:
            try:
                self._known[key] = self._runner.run(task, request, emit)
            except SdcoremlError as error:
                self._known[key] = error
        known = self._known[key]
        if isinstance(known, SdcoremlError):
            raise known
        return known

    def _key(self, task: str, request: Mapping[str, object]) -> str:
        digest = hashlib.sha256(task.encode())
        for word in json.dumps(request, sort_keys=True).split('"'):
            if not word.startswith("/"):
                digest.update(word.encode())
                continue
            paths = [Path(word), *Path(word).parent.glob(f"{Path(word).stem}Chunk*")]
            for path in [each for one in paths for each in (one, *sorted(one.rglob("*")))]:
                if path.is_file():
                    digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


class Bench:
    """The folders, and the model that they were made from."""

    def __init__(self, place: Path, runner: Runner, donors: Iterable[str] = DONORS) -> None:
        self.place, self.runner = place, Remembering(runner)
        self.model = write_models(place)
        for name in donors:
            make(name, place, runner)
        opened = open_model(self.model)
        parts = opened.components.items()
        self.opened = opened
        self.weights = {name: merge_component(one, place / "merged" / name) for name, one in parts}

    def against(self, form: str) -> Against:
        """Return what a folder of this form is verified against."""
        issued = load()
        return Against(
            model=self.model,
            certificates={} if form == "measured" else issued,
            issued=issued,
        )

    def change(self, folder: Path, change: Change, seed: str) -> Path:
        """Return a changed copy of a folder, mended."""
        aside = self.place / "changed"
        rmtree(aside, ignore_errors=True)
        elsewhere = self.place / "elsewhere"
        if elsewhere.is_dir():
            rmtree(elsewhere)
        elsewhere.unlink(missing_ok=True)
        copytree(folder, aside, symlinks=True)
        before = _digest(aside)
        change(aside, Random(seed))  # noqa: S311  the same changes every time
        if _digest(aside) == before:
            mend(aside)
            return aside
        mend(aside)
        mend_proofs(aside, self.opened, self.weights)
        return aside


def _digest(folder: Path) -> str:
    """Return a digest of the programs' texts and weights."""
    digest = hashlib.sha256()
    for path in sorted(
        [*folder.glob("*.mlmodelc/model.mil"), *folder.glob("*.mlmodelc/weights/*")]
    ):
        if path.is_file() and not path.is_symlink():
            digest.update(str(path).encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def find(folder: Path, runner: Runner, against: Against | None = None) -> tuple[str, str]:
    """Return what `verify` reports: faults or an error, and notes; each "" if there is none."""
    try:
        result = verify(folder, runner, against)
    except SdcoremlError as error:
        return str(error), ""
    absent = (f"absent: {', '.join(result.absent)}",) if result.absent else ()
    return "; ".join(fault.what for fault in result.faults), "; ".join((*result.notes, *absent))


def rounds(form: str, half: str, only: str) -> Iterator[tuple[str, Change]]:
    """Yield the changes to a folder of this form."""
    for name, change in kinds(form).items():
        if half in ("both", half_of(form, name)) and only in name:
            yield name, change


def examine(bench: Bench, form: str, half: str, only: str) -> Iterator[tuple[str, str]]:
    """Change a folder in each way and verify it; yield each change's kind, and how it was found."""
    folder = make(form, bench.place, bench.runner)
    for name, change in rounds(form, half, only):
        try:
            aside = bench.change(folder, change, name)
        except LookupError:  # the manifest has no such field: certified programs have no figures
            continue
        fault, note = find(aside, bench.runner)
        how = "alone"
        if not fault:
            fault, note = find(aside, bench.runner, bench.against(form))
            how = "against" if fault else "told" if note else "NOT FOUND"
        print(f"{form:<8} {name:<60} {how:<9} {(fault or note)[:110]}", flush=True)
        yield name.partition(":")[0], how


def main(argv: list[str]) -> int:
    """Change folders and verify them; return 1 if a change is neither found nor told of."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=(*HALVES, "both"), default="both")
    parser.add_argument("--form", action="append", choices=FORMS, help="of the folder to change")
    parser.add_argument("--only", default="", help="changes whose name has this text")
    parser.add_argument("--place", type=Path, help="a folder to keep the conversions in")
    default = environments_folder() / "tested" / "bin" / "python"
    parser.add_argument("--python", type=Path, default=default)
    args = parser.parse_args(argv)
    found: Counter[tuple[str, str]] = Counter()
    with TemporaryDirectory(prefix="sdcoreml-changes-") as temporary:
        place = args.place or Path(temporary)
        place.mkdir(exist_ok=True)
        bench = Bench(place, Worker(python=args.python))
        for form in args.form or FORMS:
            found.update(examine(bench, form, args.half, args.only))
    ways = ("alone", "against", "told", "NOT FOUND")
    print(f"{'':<24}" + "".join(f"{way:>10}" for way in ways))
    for kind in dict.fromkeys(kind for kind, _ in found):
        print(f"{kind:<24}" + "".join(f"{found[kind, way]:>10}" for way in ways))
    sums = {way: sum(count for (_, how), count in found.items() if how == way) for way in ways}
    print(f"{f'all {sum(sums.values())}':<24}" + "".join(f"{sums[way]:>10}" for way in ways))
    return int(bool(sums["NOT FOUND"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
