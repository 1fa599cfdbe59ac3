"""Proves written programs: by certificate, by running them or, without torch, in part.

A program's weights are always audited, byte for byte. Its graph is proved by a certificate if one
was issued for exactly this graph, otherwise by running the package and the pinned library's module
with the same inputs. If there is no torch to run them with, the proof says that the graph was not
checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.certificates.check import audit_package, check_certified
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.proof.audit import Audit
from sdcoreml.convert.proof.record import ProgramProof, parse_proof
from sdcoreml.convert.storage.joined import Packages
from sdcoreml.convert.worker import Runner
from sdcoreml.ground.codec import as_object
from sdcoreml.ground.errors import ParityError, UnsupportedError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.quantity import amount


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedProgram:
    """A program's package in the staging folder, and what it was made from.

    `settings` is the component's parsed `config`. If `halves` is true, two packages replace
    `package`; see `chunk_paths`. If `foreign` is true, another converter wrote the program: the
    check then requires that converter's precision, but not the operations of our builders.
    """

    part: ProgramSpec
    package: Path
    config: Path
    settings: Mapping[str, object]
    weights: Path
    options: ProgramOptions
    halves: bool = False
    foreign: bool = False

    @property
    def written(self) -> Packages:
        """The path of the package, or the paths of its two halves."""
        return chunk_paths(self.package) if self.halves else self.package

    @property
    def packages(self) -> tuple[Path, ...]:
        """The path of the package, or the paths of its two halves, always as a tuple."""
        return (self.written,) if isinstance(self.written, Path) else self.written

    @property
    def compiled(self) -> tuple[Path, ...]:
        """The compiled models that the runtimes load; each shares its package's weight file."""
        return tuple(package.with_suffix(".mlmodelc") for package in self.packages)

    def request(self) -> Mapping[str, object]:
        """Return this program as it is described in requests to the child process."""
        return {
            "component": self.part.program,
            "config": str(self.config.resolve()),
            "weights": str(self.weights.resolve()),
            "package": str(self.package.resolve()),
            "options": self.options.as_json(),
            **({"chunk": True} if self.halves else {}),
            **({"foreign": True} if self.foreign else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPolicy:
    """How programs are proved.

    `certificates` are the certificates to accept. `reason` says why torch is unavailable; it is
    empty if torch is available. With `certified_only`, a program without a certificate is refused
    if torch is unavailable. Programs in `run` are run even if a certificate proves them.
    """

    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    reason: str = ""
    certified_only: bool = False
    run: frozenset[str] = frozenset()


def prove(
    built: Sequence[StagedProgram],
    policy: ProofPolicy,
    runner: Runner,
    emit: Emit,
    *,
    fast: bool = False,
) -> Mapping[str, ProgramProof]:
    """Prove each program; return the proofs by program name.

    With `fast`, a program that has to be run is checked on a sample only.

    Raises:
        ParityError: a program does not compute what its module computes, or has wrong weights.
        UnsupportedError: a program has no certificate, and the policy demands one.
    """
    proofs = {made.part.program: _short(made, policy) for made in built}
    found = {program: proof for program, proof in proofs.items() if proof is not None}
    pending = [made for made in built if made.part.program not in found]
    if not pending:
        return found
    request = {"packages": [made.request() for made in pending], "fast": fast}
    answer = runner.run("check", request, emit)
    emit(Event(kind="note", text=f"checked in {amount(answer.peak_memory)} of memory"))
    return {
        **found,
        **{
            program: parse_proof(proof)
            for program, proof in as_object(answer.value, "answer").items()
        },
    }


def _short(made: StagedProgram, policy: ProofPolicy) -> ProgramProof | None:
    """Prove a program without torch; return `None` if it has to be run."""
    subject = (made.written, made.part.program, made.settings, made.weights, made.options)
    if policy.certificates and made.part.program not in policy.run:
        certified = check_certified(*subject, policy.certificates)
        if certified is not None:
            return certified.proof()
    if policy.reason and policy.certified_only:
        raise UnsupportedError(
            f"{made.part.program}: no certificate proves its graph, and it cannot be run:"
            f" {policy.reason}",
            remedy="use the toolchain `tested`, which can run it; `sdcoreml env --provision`"
            " installs the Python 3.10 that it needs",
        )
    return _prove_by_audit(made, audit_package(*subject), policy.reason) if policy.reason else None


def _prove_by_audit(made: StagedProgram, audit: Audit, reason: str) -> ProgramProof:
    """Return the proof of a program whose weights passed the audit and whose graph is unchecked.

    Raises:
        ParityError: the audit found faults.
    """
    if faults := audit.faults():
        raise ParityError(
            f"{'; '.join(faults)}", where=made.package, remedy="report it with its config.json"
        )
    return ProgramProof(
        component=made.part.program,
        passed=True,
        runs=0,
        graph=None,
        outputs=(),
        audit=audit.record(),
        unchecked=reason,
    )
