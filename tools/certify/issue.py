"""Makes certificates from the results of full checks."""

from __future__ import annotations

from dataclasses import dataclass

from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.proof.record import ProgramProof


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Issues certificates that record the check's date, and the toolchain's name and lock digest.

    `date` is ISO 8601.
    """

    toolchain: str
    lock: str
    date: str

    def issue(self, proof: ProgramProof, title: str) -> Certificate | None:
        """Make the certificate of one program; `None` if the check does not suffice for one.

        Args:
            proof: the result of a full check. A check of a sample of inputs is not enough, nor is
                one that relied on a certificate.
            title: the program's title, as shown to users.
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
    """Return the title of a finished folder's programs: the model's family, and the options."""
    options = manifest.options
    size = f"{PIXELS_PER_LATENT * options.width}x{PIXELS_PER_LATENT * options.height}"
    what = manifest.model.family + (" for ComfyUI" if options.is_for_comfyui else "")
    words = (what, options.attention.value, size, options.target.value)
    return ", ".join((*words, f"batch {options.batch}", f"{options.tokens} tokens"))
