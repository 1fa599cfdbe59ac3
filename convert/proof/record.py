"""What is recorded of how a program was proved: the same values in manifests and at the pipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdcoreml.ground.codec import from_plain, to_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRecord:
    """How near one output came to the module's in one precision, `fp32` or `fp16`, at its worst.

    `psnr` and the least that was accepted, `floor`, are in dB; `max_error` is `None` where it is
    not finite.
    """

    output: str
    mode: str
    psnr: float
    max_error: float | None = None
    floor: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounded:
    """How many weights were compressed by one method, and how near they stay to the model's.

    PSNRs are in dB, of a weight's root mean square error against its range: `psnr` is the lowest,
    of the tensor `worst`, and `typical` the median; 0 where an older manifest has none.
    """

    weights: int
    psnr: float
    typical: float = 0.0
    worst: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What `convert.proof.audit.Audit` found: counts, and names where something is unusual."""

    matched: int
    elements: int = 0
    extras: Mapping[str, str] = field(default_factory=dict)
    compressed: Mapping[str, Rounded] = field(default_factory=dict)
    anonymous: int = 0
    misplaced: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """In which toolchain a graph was certified, by name and digest of its lock, and when.

    `outputs` are the figures of `runs` sets of inputs then, with random weights: another model's.
    """

    toolchain: str
    lock: str
    date: str
    runs: int = 0
    outputs: tuple[FigureRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramProof:
    """How a program was proved.

    `graph` is the key of its graph's certificate, `None` where none can cover it; `outputs` are the
    figures of `runs` sets of inputs in this run. `fidelity` says how far compression takes the
    module from itself. `certificate` stands for the graph if nothing was run here, `sample` is the
    size of the small picture that was run in place of the program's own, `unchecked` why nothing
    was run. `own` is the module's float32 precision in dB, where it had to be known.
    """

    component: str
    passed: bool
    runs: int
    graph: str | None
    outputs: tuple[FigureRecord, ...]
    audit: AuditRecord
    fidelity: tuple[FigureRecord, ...] = ()
    certificate: Origin | None = None
    sample: str = ""
    own: float | None = None
    unchecked: str = ""

    @property
    def measured(self) -> tuple[FigureRecord, ...]:
        """This model's figures in this run. Older manifests keep a certificate's in their place."""
        return () if self.certificate else self.outputs

    def as_json(self) -> dict[str, object]:
        """The proof as `parse_proof` reads it, without the fields that do not apply."""
        content: dict[str, object] = to_plain(self)
        optional = {"fidelity", "certificate", "sample", "own", "unchecked"}
        return {
            name: value
            for name, value in content.items()
            if name not in optional or value not in (None, "", [])
        }


def parse_proof(content: object, place: str = "proof") -> ProgramProof:
    """What `ProgramProof.as_json` made `content` of. Raises `DecodeError` for anything else."""
    return from_plain(ProgramProof, content, place)
