"""The task `check`: compares written packages with the modules that they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.parity.check import FULL, QUICK, check_component
from sdcoreml.convert.parity.outcome import Parity, as_foreign
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.proof.audit import Audit
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import ParityError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.files import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRequest:
    """A package to check, and the config.json and safetensors file that it was made from.

    `options` are those that it was built with; with `chunk`, its two halves are checked. A
    `foreign` package is judged by the rules of `convert.parity.outcome.as_foreign`. `audit` is that
    of its weights, if they were audited already.
    """

    component: str
    package: str
    config: str
    weights: str
    options: ProgramOptions = field(default_factory=ProgramOptions)
    chunk: bool = False
    foreign: bool = False
    audit: Audit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """Packages to check; with `fast`, each program is run only once, for a small image.

    `certificates` are those whose graphs may stand for graphs that differ only in shapes. With
    `draws`, each graph is compared with the one that is drawn for its options now.
    """

    packages: tuple[PackageRequest, ...]
    fast: bool = False
    certificates: tuple[Certificate, ...] = ()
    draws: bool = False


def task(request: Mapping[str, object], emit: Emit) -> dict[str, object]:
    """Check the packages of a `CheckRequest`; return the `ProgramProof` of each, by component.

    Raises:
        ParityError: packages differ from their modules; all of them are named.
    """
    asked = from_plain(CheckRequest, request)
    depth = QUICK if asked.fast else FULL
    checked: dict[str, Parity] = {}
    for part in asked.packages:
        package = Path(part.package)
        emit(Event(kind="step", text=f"check {package.name}"))
        parity = check_component(
            part.component,
            chunk_paths(package) if part.chunk else package,
            read_object(Path(part.config), Document.CONFIG),
            Path(part.weights),
            replace(
                depth,
                program=part.options,
                lenient=not part.foreign,
                draws=asked.draws and not part.foreign,
                certificates=() if part.foreign else asked.certificates,
                audit=part.audit,
            ),
            emit,
        )
        checked[part.component] = as_foreign(parity) if part.foreign else parity
    failures = [parity.complaint() for parity in checked.values() if not parity.passed]
    if failures:
        raise ParityError("; ".join(failures))
    return {component: parity.proof().as_json() for component, parity in checked.items()}
