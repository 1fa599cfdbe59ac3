"""The short proof of a package: a certificate proves the graph, and an audit proves the weights.

This needs neither torch nor diffusers, and takes seconds instead of minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.certificates.digest import certificate_key, graph_digest
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.models.known import open_known
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.proof.audit import PREFIXES, Audit, audit, prefixes_left_out
from sdcoreml.convert.proof.audited import Remembered
from sdcoreml.convert.proof.record import ProgramProof
from sdcoreml.convert.spec.reader import Package
from sdcoreml.convert.storage.joined import Packages, open_whole
from sdcoreml.convert.storage.package import OpenProgram
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
class Digests:
    """The `graph_digest` of a program and the key of its certificate.

    Both are empty if the audit failed or no certificate can cover the graph.
    """

    graph: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What a package says without being run: the audit of its weights, and its digests."""

    package: str
    audit: Audit
    digests: Digests

    def certified(
        self, component: str, certificates: Mapping[str, Certificate]
    ) -> Certified | None:
        """Return the proof by certificate and audit; `None` if no certificate fits.

        The package may still be right: only the full check can tell.
        """
        if self.digests.key not in certificates:
            return None
        return Certified(
            component=component,
            package=self.package,
            certificate=certificates[self.digests.key],
            audit=self.audit,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of packages before they are examined: their content, and earlier audits."""

    read: Sequence[Package] = ()
    remembered: Remembered | None = None


def examine(
    package: Packages,
    component: str,
    config: Mapping[str, object],
    weights: Path,
    options: ProgramOptions,
    known: Known | None = None,
) -> Examination:
    """Audit the weights of a package, or of two halves, and digest its graph.

    Without torch, this is the only part of a proof that can be done. What is `known` is not read,
    or compared, again.

    Raises:
        BadInputError: package or weights cannot be read.
    """
    known = known or Known()
    with open_whole(package, known.read) as program:
        subject = (component, config, weights, options)
        accounted = _audit(program, *subject, known.remembered)
        return Examination(
            package=str(program.path),
            audit=accounted,
            digests=digests_of(program, component, accounted, config, options),
        )


def _audit(
    program: OpenProgram,
    component: str,
    config: Mapping[str, object],
    weights: Path,
    options: ProgramOptions,
    remembered: Remembered | None,
) -> Audit:
    prefixes, ignored = PREFIXES.get(component, ()), prefixes_left_out(config, options)
    if remembered and (found := remembered.find(program.function, prefixes, ignored)):
        return found
    with open_known(weights, config) as tensors:
        made = audit(program.function, program.storage, tensors, prefixes, ignored)
    if remembered:
        remembered.keep(program.function, prefixes, ignored, made)
    return made


def digests_of(
    program: OpenProgram,
    component: str,
    accounted: Audit,
    config: Mapping[str, object],
    options: ProgramOptions,
) -> Digests:
    """Return the digests of an open program whose audit is `accounted`."""
    if not accounted.passed:
        return Digests()
    try:
        graph = graph_digest(program, accounted.placed)
        return Digests(graph=graph, key=certificate_key(graph, component, config, options))
    except UnsupportedError:
        return Digests()
