"""A conversion in the doctor's words."""

from __future__ import annotations

from collections.abc import Sequence

from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.doctor.core.facts import Job as Goal


def goal_of(jobs: Sequence[Job]) -> Goal:
    """The conversion of one model, in the doctor's words.

    Of several sizes the largest counts: nothing else needs as much.
    """
    job = max(jobs, key=lambda job: job.options.height * job.options.width)
    return Goal(
        goal="convert",
        model=str(job.model.path),
        output=str(job.output),
        attention=job.options.attention,
        height=PIXELS_PER_LATENT * job.options.height,
        width=PIXELS_PER_LATENT * job.options.width,
    )
