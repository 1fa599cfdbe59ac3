"""Makes certificates of what a full check found."""

from __future__ import annotations

from dataclasses import dataclass

from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.proof.record import ProgramProof


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """In which toolchain programs were run, by its name and the digest of its lock, and when.

    `date` is ISO 8601.
    """

    toolchain: str
    lock: str
    date: str

    def issue(self, proof: ProgramProof, title: str) -> Certificate | None:
        """The certificate of one program; `None` where nothing was proved that could have one.

        Args:
            proof: what a full check found. A sample is not enough, and certifying by certificate
                would prove nothing.
            title: what the program is, for people.
        """
        if not proof.passed or not proof.graph or proof.certificate or proof.sample:
            return None
        return Certificate(
            key=proof.graph,
            component=proof.component,
            title=title,
            outputs=proof.outputs,
            runs=proof.runs,
            toolchain=self.toolchain,
            lock=self.lock,
            date=self.date,
        )


def title_of(manifest: Manifest) -> str:
    """What the programs of a finished folder are."""
    options = manifest.options
    size = f"{PIXELS_PER_LATENT * options.width}x{PIXELS_PER_LATENT * options.height}"
    words = (manifest.model.family, options.attention.value, size, options.target.value)
    return ", ".join((*words, f"batch {options.batch}", f"{options.tokens} tokens"))
