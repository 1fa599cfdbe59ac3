"""`python -m tests.inside.convert.changes`: how many changes to a finished folder are found.

Converts the sample twice, once without compression and once to 6 bits. Each round copies a folder,
makes one change, updates every digest in the manifest to match, and verifies the copy: first
without the model, and if that finds nothing, against the sample. `--python` names the Python of
the built environment, by default that of `tested`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from shutil import copytree, rmtree
from tempfile import TemporaryDirectory

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.verify import Against, verify
from sdcoreml.convert.models.sample import write_sample
from sdcoreml.convert.worker import Runner, Worker
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.places import environments_folder
from tests.convert.stand_ins import finish, job_of, write_raw
from tests.inside.convert.changes.files import FILES, Change
from tests.inside.convert.changes.manifests import COMPRESSED, EDITS, Edit, edit
from tests.inside.convert.changes.mending import mend, read_raw

RECIPES: Mapping[str, Mapping[str, object] | None] = {
    "plain": None,
    "6 bits": {"method": "kmeans", "bits": 6},
}


def make(model: Path, output: Path, recipe: Mapping[str, object] | None, runner: Runner) -> Path:
    """Convert the sample, for images of 128x128 pixels; return the finished folder."""
    job = job_of(open_model(model), output, "SPLIT_EINSUM", recipe=recipe, height=16, width=16)
    return finish(job, runner)


def in_manifest(path: tuple[str, ...], change: Edit) -> Change:
    """Return a change that edits one field of the manifest."""

    def apply(folder: Path, rng: Random) -> None:
        content = read_raw(folder)
        edit(content, path, change, rng)
        write_raw(content, folder)

    return apply


def kinds(form: str) -> Mapping[str, Change]:
    """Return the changes that apply to a folder of this form, a key of `RECIPES`, by name."""
    edits = {**EDITS, **(COMPRESSED if form != "plain" else {})}
    fields = {f"manifest: {'.'.join(path)}": in_manifest(path, it) for path, it in edits.items()}
    return {**FILES, **fields}


def changed(folder: Path, aside: Path, change: Change, seed: int) -> Path:
    """Return a changed copy of a folder, with digests that match the changed files."""
    rmtree(aside, ignore_errors=True)
    copytree(folder, aside, symlinks=True)
    change(aside, Random(seed))  # noqa: S311  the same changes every time
    mend(aside)
    return aside


def find(folder: Path, runner: Runner, against: Against | None = None) -> str:
    """Return the faults or the error that `verify` reports, as one text; "" if all is well."""
    try:
        result = verify(folder, runner, against)
    except SdcoremlError as error:
        return str(error)
    return "; ".join(fault.what for fault in result.faults)


def rounds(form: str, count: int) -> Iterator[tuple[str, Change, int]]:
    """Yield `count` rounds (name, change, seed): all changes in turn, each with another seed."""
    table = [*kinds(form).items()]
    for number in range(count):
        name, change = table[number % len(table)]
        yield name, change, number


def main(argv: list[str]) -> int:
    """Change folders and verify them; return 1 if a change is not found even with the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="changes in all (default: 200)")
    parser.add_argument("--only", default="", help="kinds whose name has this text")
    default = environments_folder() / "tested" / "bin" / "python"
    parser.add_argument("--python", type=Path, default=default)
    args = parser.parse_args(argv)
    runner = Worker(python=args.python)
    alone = against = total = 0
    with TemporaryDirectory(prefix="sdcoreml-changes-") as place:
        model = Path(place, "sample")
        write_sample(model)
        for form, recipe in RECIPES.items():
            folder = make(model, Path(place, form.replace(" ", "-")), recipe, runner)
            assert find(folder, runner, Against(model=model, certificates={})) == ""
            for name, change, seed in rounds(form, args.count // len(RECIPES)):
                if args.only not in name:
                    continue
                aside = changed(folder, Path(place, "changed"), change, seed)
                first = find(aside, runner)
                second = first or find(aside, runner, Against(model=model, certificates={}))
                total, alone, against = total + 1, alone + bool(first), against + bool(second)
                how = "alone" if first else "against" if second else "NOT FOUND"
                print(f"{form:<8} {name:<52} {how:<10} {second[:90]}", flush=True)
                rmtree(Path(place, "elsewhere"), ignore_errors=True)
                Path(place, "elsewhere").unlink(missing_ok=True)
    print(f"{against} of {total} found against the model, {alone} of them without it")
    return int(against < total)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
