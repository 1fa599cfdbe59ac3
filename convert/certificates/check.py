"""The short proof of a package: a certificate proves the graph, and an audit proves the weights.

This needs neither torch nor diffusers, and takes seconds instead of minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.certificates.digest import certificate_key, graph_digest
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.models.known import open_known
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.proof.audit import PREFIXES, Audit, audit, prefixes_left_out
from sdcoreml.convert.proof.record import ProgramProof
from sdcoreml.convert.storage.joined import Packages, open_whole
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.errors import UnsupportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A package whose graph has a certificate and whose weights passed the audit."""

    component: str
    package: str
    certificate: Certificate
    audit: Audit

    def proof(self) -> ProgramProof:
        """Return the proof for the manifest. Nothing was run: it refers to the certificate."""
        certificate = self.certificate
        return ProgramProof(
            component=self.component,
            passed=True,
            runs=0,
            graph=certificate.key,
            outputs=(),
            certificate=certificate.origin,
            audit=self.audit.record(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What a package says without being run: the audit of its weights, and digests of its graph.

    `key` is that of its certificate, and `graph` its `graph_digest`; both are empty if the audit
    failed or no certificate can cover the graph.
    """

    package: str
    audit: Audit
    key: str = ""
    graph: str = ""

    def certified(
        self, component: str, certificates: Mapping[str, Certificate]
    ) -> Certified | None:
        """Return the proof by certificate and audit; `None` if no certificate fits."""
        if self.key not in certificates:
            return None
        return Certified(
            component=component,
            package=self.package,
            certificate=certificates[self.key],
            audit=self.audit,
        )


def examine(
    package: Packages,
    component: str,
    config: Mapping[str, object],
    weights: Path,
    options: ProgramOptions,
) -> Examination:
    """Audit the weights of a package, or of two halves, and digest its graph.

    Raises:
        BadInputError: package or weights cannot be read.
    """
    with open_whole(package) as program, open_known(weights, config) as tensors:
        accounted = _audit(program, tensors, component, prefixes_left_out(config, options))
        key = key_of(program, component, accounted, config, options)
        return Examination(
            package=str(program.path),
            audit=accounted,
            key=key,
            graph=graph_digest(program, accounted.placed) if key else "",
        )


def check_certified(
    package: Packages,
    component: str,
    config: Mapping[str, object],
    weights: Path,
    options: ProgramOptions,
    certificates: Mapping[str, Certificate],
) -> Certified | None:
    """Prove a package, or two halves, by certificate and audit; `None` if that is not possible.

    `None` means that no certificate fits or that the audit failed. The package may still be right:
    only the full check can tell.

    Raises:
        BadInputError: package or weights cannot be read.
    """
    found = examine(package, component, config, weights, options)
    return found.certified(component, certificates)


def key_of(
    program: OpenProgram,
    component: str,
    accounted: Audit,
    config: Mapping[str, object],
    options: ProgramOptions,
) -> str:
    """Return the key of a program's certificate; empty if no certificate can cover the program."""
    if not accounted.passed:
        return ""
    try:
        return certificate_key(program, component, accounted.placed, config, options)
    except UnsupportedError:
        return ""


def audit_package(
    package: Packages,
    component: str,
    config: Mapping[str, object],
    weights: Path,
    options: ProgramOptions,
) -> Audit:
    """Audit the weights of a package whose graph has no certificate.

    Without torch, this is the only part of the proof that can be done.

    Raises:
        BadInputError: package or weights cannot be read.
    """
    with open_whole(package) as program, open_known(weights, config) as tensors:
        return _audit(program, tensors, component, prefixes_left_out(config, options))


def _audit(
    program: OpenProgram, tensors: TensorFile, component: str, ignored: tuple[str, ...]
) -> Audit:
    prefixes = PREFIXES.get(component, ())
    return audit(program.function, program.storage, tensors, prefixes, ignored)
