"""Describes a conversion as a goal for the doctor."""

from __future__ import annotations

from collections.abc import Sequence

from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.doctor.core.facts import Goal


def goal_of(jobs: Sequence[Job]) -> Goal:
    """Return the doctor's goal for these jobs of one model, with their largest image size."""
    job = max(jobs, key=lambda job: job.options.height * job.options.width)
    return Goal(
        kind="convert",
        model=str(job.model.path),
        output=str(job.output),
        attention=job.options.attention.value,
        height=PIXELS_PER_LATENT * job.options.height,
        width=PIXELS_PER_LATENT * job.options.width,
        is_for_comfyui=job.options.is_for_comfyui,
    )
