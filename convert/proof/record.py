"""The record of a program's proof, as manifests store it and child processes send it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdcoreml.convert.proof.answers import Answers
from sdcoreml.ground.codec import from_plain, to_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRecord:
    """The accuracy of one output in one precision, `fp32` or `fp16`, in the worst of the runs.

    `psnr` compares it with the module's output, in dB, and `floor` is the lowest PSNR accepted.
    `max_error` is `None` if it is not finite.
    """

    output: str
    mode: str
    psnr: float
    max_error: float | None = None
    floor: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounded:
    """The number of weights compressed by one method, and their accuracy.

    PSNRs, in dB, relate a weight's root mean square error to its range: `psnr` is the lowest one,
    of the tensor `worst`, and `typical` is the median. They are 0 if an older manifest has none.
    """

    weights: int
    psnr: float
    typical: float = 0.0
    worst: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """The result of `convert.proof.audit`: counts, and the names of unusual constants."""

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
    """The toolchain in which a graph was certified, by name and digest of its lock, and the date.

    `outputs` are the figures measured then, with random weights, over `runs` sets of inputs.
    """

    toolchain: str
    lock: str
    date: str
    runs: int = 0
    outputs: tuple[FigureRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """A certified graph that a program's graph equals in all but the shapes of its values.

    `graph` is the key of its certificate, `title` the certificate's title, for people.
    """

    graph: str
    title: str
    origin: Origin


_OPTIONAL = frozenset(
    {"answers", "certificate", "fidelity", "own", "sample", "sibling", "strange", "unchecked"}
)
"""Fields of a `ProgramProof` that are left out of the JSON if they do not apply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramProof:
    """The proof of a program.

    `graph` is the key for a certificate of its graph, or `None` if no certificate can cover it.
    `outputs` are the figures measured over `runs` sets of inputs. `fidelity` compares the module
    with compressed weights to the original module. If nothing was run, `certificate` proves the
    graph, or `unchecked` is the reason. `sample` is the image size that was run, if it is smaller
    than the program's own. `own` is the PSNR of the module's own float32 results, in dB, if it was
    needed. `sibling` is a certified graph of other shapes, from which this one was worked out.
    `strange` says how the graph differs from the one that is drawn now; only a verification asks.
    `answers` are a sample of what was computed at the program's own size; a finished folder has
    them in a file of their own, not in its manifest.
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
    sibling: Sibling | None = None
    strange: str = ""
    answers: Answers | None = None

    @property
    def measured(self) -> tuple[FigureRecord, ...]:
        """The figures measured with this model's weights; none if a certificate proves the graph.

        Then the `outputs` in an older manifest are figures of the certificate.
        """
        return () if self.certificate else self.outputs

    def as_json(self) -> dict[str, object]:
        """Return the proof as `parse_proof` reads it, without the fields that do not apply."""
        content: dict[str, object] = to_plain(self)
        return {
            name: value
            for name, value in content.items()
            if name not in _OPTIONAL or value not in (None, "", [])
        }


def parse_proof(content: object, place: str = "proof") -> ProgramProof:
    """Parse the output of `ProgramProof.as_json`. Raises `DecodeError` for anything else."""
    return from_plain(ProgramProof, content, place)
