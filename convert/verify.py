"""Checks a finished folder again: files, ports of the programs and, beside its model, the numbers.

Without the model, the files are compared with the manifest and the programs with what the runtimes
ask for. With it, every program is proved once more against the module it was made from.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.bundle import NAMES, check_programs
from convert.certificates.check import check_certified
from convert.certificates.store import Certificate
from convert.compile.check import faults as faults_of
from convert.compile.compiled import read_compiled
from convert.digest import describe_files
from convert.errors import ConvertError
from convert.manifest import AGAIN, COMPONENTS, read_manifest
from convert.models.layout import CONFIG_NAME, Model, read_model
from convert.models.merge import merge_component
from convert.spec.reader import read_package
from convert.tokenizer import MERGES, VOCAB, Tokenizer, check_tokenizer
from convert.weights.fault import Fault, raise_first
from convert.worker import Runner
from envs.events import Emit, Event, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found: faults, and, by program, the proof of its numbers (`Parity.as_json`)."""

    bundle: Path
    files: int
    faults: tuple[Fault, ...]
    checked: Mapping[str, Mapping[str, Any]]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The model to verify against, and how: certificates that count, a sample only if `fast`."""

    model: Path
    certificates: Mapping[str, Certificate]
    fast: bool = False


def verify(
    bundle: Path, runner: Runner, against: Against | None = None, emit: Emit = silent
) -> Verification:
    """Check the finished folder `bundle`.

    Args:
        bundle: what `sdcoreml convert` made.
        runner: runs the check of numbers in the built environment, if one is needed.
        against: the model it was made from; without it, the numbers are not checked.
        emit: told the steps.

    Raises:
        BadInputError: the folder has no manifest, or the model cannot be read.
        ParityError: a program does not compute what its module computes.
    """
    manifest = read_manifest(bundle)
    emit(Event(kind="step", text=f"compare the files of {bundle.name} with its manifest"))
    faults = [*file_faults(bundle, manifest), *program_faults(bundle, manifest)]
    checked: Mapping[str, Mapping[str, Any]] = {}
    if against is not None and not faults:
        model = read_model(against.model)
        raise_first(model.faults)
        faults += input_faults(model, manifest)
        checked = {} if faults else _check(bundle, manifest, model, against, runner, emit)
    files = sum(len(program["files"]) for program in manifest["programs"].values())
    return Verification(bundle=bundle, files=files, faults=tuple(faults), checked=checked)


def file_faults(bundle: Path, manifest: Mapping[str, Any]) -> Iterator[Fault]:
    """Files that are missing, or are not the ones that were written."""
    recorded = {
        name: described
        for program in manifest["programs"].values()
        for name, described in program["files"].items()
    }
    present = [bundle / name for name in recorded if (bundle / name).is_file()]
    actual = describe_files(present, bundle)
    for name, described in recorded.items():
        if name not in actual:
            yield Fault(path=bundle / name, what="missing", next=AGAIN)
        elif actual[name]["size"] != described["size"]:
            what = f"{actual[name]['size']:,} bytes, {described['size']:,} were written"
            yield Fault(path=bundle / name, what=what, next=AGAIN)
        elif actual[name] != described:
            yield Fault(path=bundle / name, what="changed since it was written", next=AGAIN)


def program_faults(bundle: Path, manifest: Mapping[str, Any]) -> Iterator[Fault]:
    """What the runtimes would stumble over, in programs and tokenizer."""
    models = {}
    for name in manifest["programs"]:
        package, compiled = bundle / f"{name}.mlpackage", bundle / f"{name}.mlmodelc"
        try:
            models[COMPONENTS[name]] = read_package(package).model
            if compiled.exists():
                yield from faults_of(read_compiled(compiled))
        except ConvertError as error:
            yield Fault.of(error, package)
            return
    yield from check_programs(models, bundle)
    missing = [name for name in (VOCAB, MERGES) if not (bundle / name).is_file()]
    for name in missing:
        yield Fault(path=bundle / name, what="missing", next=AGAIN)
    if not missing:
        vocab, merges = (bundle / VOCAB).read_bytes(), (bundle / MERGES).read_bytes()
        yield from check_tokenizer(Tokenizer(vocab=vocab, merges=merges), bundle)


def input_faults(model: Model, manifest: Mapping[str, Any]) -> Iterator[Fault]:
    """Files of the model that are not those the folder was made from."""
    remedy = "give the model that the folder was made from, or convert this one"
    recorded = manifest["inputs"]
    present = [model.path / name for name in recorded if (model.path / name).is_file()]
    actual = describe_files(present, model.path)
    for name, described in recorded.items():
        if actual.get(name) != described:
            what = "not the file that the folder was made from" if name in actual else "missing"
            yield Fault(path=model.path / name, what=what, next=remedy)


def _check(
    bundle: Path,
    manifest: Mapping[str, Any],
    model: Model,
    against: Against,
    runner: Runner,
    emit: Emit,
) -> Mapping[str, Mapping[str, Any]]:
    """Prove each program: by certificate where there is one, by running it otherwise."""
    checked: dict[str, Mapping[str, Any]] = {}
    pending: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix=".verify.", dir=bundle.resolve().parent) as scratch:
        for name, program in manifest["programs"].items():
            component, options = COMPONENTS[name], program["options"]
            part = model.components[program["source"]]
            weights = merge_component(part, Path(scratch) / part.name, emit)
            package = bundle / f"{name}.mlpackage"
            emit(Event(kind="step", text=f"audit the weights of {package.name}"))
            certified = check_certified(
                package, component, part.config, weights, options, against.certificates
            )
            if certified is not None:
                checked[component] = certified.as_json()
                continue
            pending.append(
                {
                    "component": component,
                    "config": str((part.folder / CONFIG_NAME).resolve()),
                    "weights": str(weights.resolve()),
                    "package": str(package.resolve()),
                    "options": options,
                }
            )
        if pending:
            request = {"packages": pending, "fast": against.fast}
            checked.update(runner.run("check", request, emit).value)
    return {NAMES[component]: result for component, result in checked.items()}
