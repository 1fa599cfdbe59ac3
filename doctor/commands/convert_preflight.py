"""A conversion in the doctor's words."""

from __future__ import annotations

import argparse

from convert.plan import Job
from doctor.facts import Job as Goal


def asked(args: argparse.Namespace) -> Goal:
    """The conversion that was asked for, before there is an environment to plan it for.

    Of several sizes the largest counts: nothing else needs as much.
    """
    width, height = max(args.size, key=lambda size: size[0] * size[1], default=(0, 0))
    return Goal(
        goal="convert",
        model=str(args.model),
        output=str(args.output or ""),
        attention=args.attention.upper().replace("-", "_"),
        height=height,
        width=width,
    )


def goal_of(job: Job) -> Goal:
    """The conversion, in the doctor's words."""
    return Goal(
        goal="convert",
        model=str(job.model.path),
        output=str(job.output),
        attention=job.options.attention,
        height=8 * job.options.height,
        width=8 * job.options.width,
    )
