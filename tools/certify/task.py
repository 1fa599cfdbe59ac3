"""The child process's task "certify": proves one program at full size with random weights."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.certificates.check import digests_of
from sdcoreml.convert.certificates.digest import graph_digest
from sdcoreml.convert.packages.write import write_package
from sdcoreml.convert.parity.check import FULL, Original, check_program
from sdcoreml.convert.programs import build_program
from sdcoreml.convert.proof.audit import PREFIXES, audit, prefixes_left_out
from sdcoreml.convert.references.components import reference
from sdcoreml.convert.storage.package import open_program
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.errors import ParityError
from sdcoreml.ground.events import Emit, Event
from tools.certify.cases import CASES, TARGETS, Case
from tools.certify.remembered import remember
from tools.certify.specimen import write_specimen


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifyRequest:
    """The request: a case's name, and the working folder; `runs` limits the sets of inputs.

    The weights and the module's outputs are kept in the folder for other programs of that module.
    """

    case: str
    folder: str
    runs: int | None = None


def task(request: Mapping[str, object], emit: Emit) -> dict[str, object]:
    """Certify the case of a `CertifyRequest`, for every target.

    Returns, by target, the `ProgramProof` of its program. If the program has the same operations as
    for an earlier target, the value has instead that target as `like`, and the certificate's `key`.

    Raises:
        ParityError: a program's output differs from its module's.
    """
    asked = from_plain(CertifyRequest, request, "request")
    case, folder = CASES[asked.case], Path(asked.folder)
    weights = folder / f"{case.model}-{case.part.source}.safetensors"
    if not weights.exists():
        emit(Event(kind="step", text=f"make random weights for the {case.part.source}"))
        write_specimen(weights, shapes_of(case))
    answers: dict[str, object] = {}
    graphs: dict[str, str] = {}
    for target in TARGETS:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            package = _build(case, target, weights, Path(scratch), emit)
            graph, key = _identity(case, target, package, weights)
            if graph in graphs:
                answers[target] = {"key": key, "like": graphs[graph]}
                continue
            graphs[graph] = target
            emit(Event(kind="step", text=f"check {case.name} for {target}"))
            options = replace(FULL, runs=asked.runs, program=case.options(target))
            with open_program(package) as program:
                parity = check_program(program, _original(case, weights), options, emit)
        if not parity.passed:
            raise ParityError(parity.complaint())
        answers[target] = parity.proof().as_json()
    return answers


def shapes_of(case: Case) -> dict[str, tuple[int, ...]]:
    """Map the name of every parameter of the case's torch module to its shape."""
    import accelerate

    with accelerate.init_empty_weights():
        module = reference(case.part.program).build(case.config)
    return {name: tuple(tensor.shape) for name, tensor in module.named_parameters()}


def _original(case: Case, weights: Path) -> Original:
    component = case.part.program
    answers = remember(reference(component), f"{weights.stem}-{component}", weights.parent)
    return Original(component=component, reference=answers, config=case.config, weights=weights)


def _build(case: Case, target: str, weights: Path, folder: Path, emit: Emit) -> Path:
    package = folder / f"{target}.mlpackage"
    emit(Event(kind="step", text=f"build {case.name} for {target}"))
    with TensorFile.open(weights) as tensors:
        built = build_program(case.part.program, case.config, tensors, case.options(target))
        write_package(built, tensors, package)
    return package


def _identity(case: Case, target: str, package: Path, weights: Path) -> tuple[str, str]:
    """Return a digest of a package's operations, without the target, and its certificate's key."""
    options = case.options(target)
    with open_program(package) as program, TensorFile.open(weights) as tensors:
        accounted = audit(
            program.function,
            program.storage,
            tensors,
            PREFIXES.get(case.part.program, ()),
            prefixes_left_out(case.config, options),
        )
        plain = replace(
            program,
            model=replace(program.model, specification_version=0),
            function=replace(program.function, opset="", blocks={"": program.function.block}),
        )
        return (
            graph_digest(plain, accounted.placed),
            digests_of(program, case.part.program, accounted, case.config, options).key,
        )
