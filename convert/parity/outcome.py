"""The result of a check: figures, audit, faults and remedies."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.parity.figures import LEAST, Figures
from sdcoreml.convert.proof.answers import Answers
from sdcoreml.convert.proof.audit import Audit
from sdcoreml.convert.proof.record import ProgramProof, Sibling

REPORT = "do not use it, report it with its config.json"
_REWRITTEN = re.compile(
    r"\.(transformer_blocks\.\d+\.norm\d\.bias|embeddings\.position_embedding\.weight)$"
)
FEW = 8
"""The fewest numbers over which a norm is stable. A norm over two keeps only their signs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The result of checking a program.

    `key` identifies the graph in certificates; it is empty if no certificate can cover it. A
    program with compressed weights is compared with the module with the same compressed weights,
    and `fidelity` compares that module with the original one. `sample` is the image size that was
    run, if it is smaller than the program's own. `own` is the PSNR of the module's own float32
    results in dB, for the worst output, if it was needed. `settings` are faults in numbers other
    than weights. `normed` is the number of elements per group in a UNet's deepest group norm, 0 for
    other components. `foreign` means that another converter wrote the package. `sibling` is the
    certified graph that the program's differs from only in shapes, if that was looked for.
    `strange` says how the graph differs from the one that is drawn for its options now. `answers`
    are a sample of its outputs, if it was run at its own size.
    """

    component: str
    package: str
    figures: tuple[Figures, ...]
    audit: Audit
    runs: int
    key: str = ""
    fidelity: tuple[Figures, ...] = ()
    sample: str = ""
    own: float | None = None
    settings: tuple[str, ...] = ()
    normed: int = 0
    foreign: bool = False
    sibling: Sibling | None = None
    strange: str = ""
    answers: Answers | None = None

    @property
    def passed(self) -> bool:
        """Whether there is no fault in weights, settings or figures."""
        return not self.faults()

    def faults(self) -> tuple[str, ...]:
        """List the faults, one line each."""
        low = tuple(
            f"{item.output} in {item.mode.value} mode: {_short(item)}"
            for item in self.figures
            if not item.passed
        )
        lost = tuple(
            f"{item.output} with compressed weights: {_short(item)}"
            for item in self.fidelity
            if not item.passed
        )
        weights = _list_unexplained(self.audit) if self.foreign else self.audit.faults()
        return (*weights, *self.settings, *low, *lost)

    def complaint(self) -> str:
        """Return all faults in one line, with the remedy."""
        return (
            f"{self.package}: does not compute what its {self.component} computes:"
            f" {'; '.join(self.faults())}; {self._remedy()}"
        )

    def _remedy(self) -> str:
        if self.foreign:
            return "do not use it, let sdcoreml convert the model"
        if self.settings or not self.audit.passed:
            return REPORT
        if all(item.passed for item in self.figures):
            return "compress it less: more --bits, or a recipe that gives its layers more"
        if not self._is_half_precision_to_blame():
            return REPORT
        full = f"convert with --precision {self.component}=fp32"
        if 0 < self.normed < FEW:
            return (
                f"at this size a norm of its smallest map has only {self.normed} numbers, which"
                f" amplifies rounding errors: choose a larger --size, or {full}"
            )
        return f"its weights need a higher precision: {full}"

    def _is_half_precision_to_blame(self) -> bool:
        """Whether the only fault is that a correct graph is too imprecise in float16."""
        right = [item.passed for item in self.figures if item.mode is Mode.FP32]
        return bool(right) and all((*right, *(item.passed for item in self.fidelity)))

    def psnr(self, mode: Mode) -> float:
        """Return the lowest PSNR of any output in this precision, in dB."""
        return min(item.psnr for item in self.figures if item.mode is mode)

    def proof(self) -> ProgramProof:
        """Return the proof for the manifest."""
        return ProgramProof(
            component=self.component,
            passed=self.passed,
            runs=self.runs,
            graph=self.key or None,
            outputs=tuple(item.record() for item in self.figures),
            audit=self.audit.record(),
            fidelity=tuple(item.record() for item in self.fidelity),
            sample=self.sample,
            own=None if self.own is None else round(self.own, 2),
            sibling=self.sibling,
            strange=self.strange,
            answers=self.answers,
        )


def as_foreign(parity: Parity) -> Parity:
    """Return the result for a program that another converter wrote.

    It must reach what Apple's converter requires of itself, 35 dB. Numbers other than weights are
    not judged, because that converter stores them differently, such as epsilons in float16. Pooled
    states are only measured: apps send a long prompt without an end token, and for such a prompt
    Apple's program pools the state of another position.
    """
    floor = LEAST[Mode.FP16]
    figures = tuple(
        replace(item, floor=0.0 if item.output == "pooled_outputs" else floor)
        for item in parity.figures
    )
    return replace(parity, figures=figures, settings=(), foreign=True)


def _list_unexplained(audit: Audit) -> tuple[str, ...]:
    """List what is wrong with the weights of another converter's program.

    Apple's converter divides the bias of a transformer block's norm by its weight, and rounds the
    timestep table to float16, so neither equals the checkpoint's. It compresses the
    causal mask and, under another name, the position embeddings. Running the program checks these.
    """
    if len(audit.unexplained) <= 1 + len(audit.missing) and all(
        _REWRITTEN.search(name) for name in audit.missing
    ):
        audit = replace(audit, unexplained=(), missing=())
    return audit.faults()


def _short(figure: Figures) -> str:
    return (
        f"{figure.psnr:.1f} dB, at least {figure.floor:.3g} dB needed"
        f" (largest error {figure.max_error:.3g})"
    )
