"""Proves written programs: by certificate, by running them or, without torch, in part.

A program's weights are always audited, byte for byte. Its graph is proved by a certificate if one
was issued for exactly this graph, otherwise by running the package and the pinned library's module
with the same inputs; for a small image, if the graph is a certified one in all but its shapes. If
there is no torch to run them with, the proof says that the graph was not run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.certificates.architecture import SAME
from sdcoreml.convert.certificates.check import Examination, Known, examine
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.programs.options import ProgramOptions, Runtime
from sdcoreml.convert.proof.audit import Audit
from sdcoreml.convert.proof.audited import Audits, Remembered
from sdcoreml.convert.proof.record import ProgramProof, Sibling, parse_proof
from sdcoreml.convert.spec.reader import Package
from sdcoreml.convert.storage.joined import Packages
from sdcoreml.convert.worker import Runner
from sdcoreml.ground.codec import as_object, from_plain, to_plain
from sdcoreml.ground.errors import ParityError, UnsupportedError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.quantity import amount


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedProgram:
    """A program's package in the staging folder, and what it was made from.

    `settings` is the component's parsed `config`. If `halves` is true, two packages replace
    `package`; see `chunk_paths`. If `foreign` is true, another converter wrote the program: the
    check then requires that converter's precision, but not the operations of our builders. `read`
    are the packages, once they were read back. `content` is a digest of their weight files and of
    what these are compared with; empty if they are not known.
    """

    part: ProgramSpec
    package: Path
    config: Path
    settings: Mapping[str, object]
    weights: Path
    options: ProgramOptions
    halves: bool = False
    foreign: bool = False
    read: tuple[Package, ...] = ()
    content: str = ""

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
        """The compiled models that Swift loads; each shares its package's weight file."""
        if self.options.runtime is Runtime.COMFYUI:
            return ()
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
    if torch is unavailable. Programs in `run` are run even if a certificate proves them. With
    `draws`, the graph of a program that is run is compared with the one drawn for its options now.
    """

    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    reason: str = ""
    certified_only: bool = False
    run: frozenset[str] = frozenset()
    draws: bool = False


def prove(
    built: Sequence[StagedProgram],
    policy: ProofPolicy,
    runner: Runner,
    emit: Emit,
    *,
    fast: bool = False,
    audits: Audits | None = None,
) -> Mapping[str, ProgramProof]:
    """Prove each program; return the proofs by program name.

    With `fast`, a program that has to be run is checked on a sample only. `audits` are those that
    were made before.

    Raises:
        ParityError: a program does not compute what its module computes, or has wrong weights.
        UnsupportedError: a program has no certificate, and the policy demands one.
    """
    judged = [_prove_unrun(made, policy, audits) for made in built]
    found = {one.program: one.proof for one in judged if one.proof is not None}
    if policy.reason:
        return {**found, **_compare(judged, policy, runner, emit)}
    pending = [one for one in judged if one.proof is None]
    if not pending:
        return found
    packages = [one.request() for one in pending]
    drawn = {"draws": True} if policy.draws else {}
    request = {"packages": packages, "fast": fast, **drawn, **_offer(pending, policy)}
    answer = runner.run("check", request, emit)
    emit(Event(kind="note", text=f"checked in {amount(answer.peak_memory)} of memory"))
    return {
        **found,
        **{
            program: parse_proof(proof)
            for program, proof in as_object(answer.value, "answer").items()
        },
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedUnrun:
    """A program, its proof if it needs no run, and its examination if that was no proof alone."""

    made: StagedProgram
    proof: ProgramProof | None = None
    found: Examination | None = None

    @property
    def program(self) -> str:
        """The program's name."""
        return self.made.part.program

    @property
    def graph(self) -> str:
        """The digest of its graph; empty if that was not taken."""
        return self.found.digests.graph if self.found else ""

    def request(self) -> Mapping[str, object]:
        """Return the program as a request to check it has it; its weights are audited only once."""
        audited = {"audit": to_plain(self.found.audit)} if self.found else {}
        return {**self.made.request(), **audited}


def _prove_unrun(made: StagedProgram, policy: ProofPolicy, audits: Audits | None) -> ProvedUnrun:
    """Prove a program without torch; its proof stays `None` if it has to be run."""
    one = ProvedUnrun(made=made)
    is_acceptable = bool(policy.certificates) and one.program not in policy.run
    if not is_acceptable and not policy.reason:
        return one
    subject = (one.program, made.settings, made.weights, made.options)
    remembered = (
        Remembered(audits=audits, content=made.content) if audits and made.content else None
    )
    found = examine(made.written, *subject, Known(read=made.read, remembered=remembered))
    certified = found.certified(one.program, policy.certificates) if is_acceptable else None
    if certified is not None:
        return replace(one, proof=certified.proof())
    one = replace(one, found=found)
    if found.audit.wrong and not made.foreign:  # running it would not change that
        _require_right_weights(made, found.audit)
    if not policy.reason:
        return one
    if policy.certified_only:
        raise UnsupportedError(
            f"{one.program}: no certificate proves its graph, and it cannot be run:"
            f" {policy.reason}",
            remedy="use the toolchain `tested`, which can run it; `sdcoreml env --provision`"
            " installs the Python 3.10 that it needs",
        )
    return replace(one, proof=_prove_by_audit(made, found.audit, policy.reason))


def _offer(pending: Sequence[ProvedUnrun], policy: ProofPolicy) -> Mapping[str, object]:
    """Return the certified graphs that may stand for those pending, as a request has them.

    Programs in `run` get none: they are run at their own size.
    """
    names = {SAME.get(one.program, one.program) for one in pending if one.program not in policy.run}
    offered = [it for it in policy.certificates.values() if it.module and it.component in names]
    return {"certificates": to_plain(offered)} if offered else {}


def _compare(
    judged: Sequence[ProvedUnrun], policy: ProofPolicy, runner: Runner, emit: Emit
) -> Mapping[str, ProgramProof]:
    """Return the proofs of programs that cannot be run but differ from certified ones in shapes."""
    unrun = [one for one in judged if one.graph and not one.made.foreign]
    certificates = _offer(unrun, policy)
    if not certificates:
        return {}
    graphs = [
        {
            "component": one.program,
            "graph": one.graph,
            "config": str(one.made.config.resolve()),
            "options": one.made.options.as_json(),
        }
        for one in unrun
    ]
    answer = runner.run("siblings", {"graphs": graphs, **certificates}, emit)
    siblings = as_object(answer.value, "answer")
    return {
        one.program: replace(
            one.proof, sibling=from_plain(Sibling, siblings[one.program], "sibling")
        )
        for one in unrun
        if one.proof is not None and one.program in siblings
    }


def _prove_by_audit(made: StagedProgram, audit: Audit, reason: str) -> ProgramProof:
    """Return the proof of a program whose weights passed the audit and whose graph is unchecked.

    Raises:
        ParityError: the audit found faults.
    """
    _require_right_weights(made, audit)
    return ProgramProof(
        component=made.part.program,
        passed=True,
        runs=0,
        graph=None,
        outputs=(),
        audit=audit.record(),
        unchecked=reason,
    )


def _require_right_weights(made: StagedProgram, audit: Audit) -> None:
    """Raise `ParityError` if the audit of a program's weights found faults."""
    if faults := audit.faults():
        raise ParityError(
            f"{'; '.join(faults)}", where=made.package, remedy="report it with its config.json"
        )
