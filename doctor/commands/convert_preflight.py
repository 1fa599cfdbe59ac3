"""A conversion in the doctor's words, and his answer taken seriously."""

from __future__ import annotations

from convert.errors import ConvertError, NoSpaceError
from convert.plan import Job
from doctor.check import Family
from doctor.engine import Report
from doctor.facts import Job as Goal


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


def require_able(report: Report) -> None:
    """Stop when the doctor says no, with the first of its reasons.

    Raises:
        NoSpaceError: only the disk stands in the way.
        ConvertError: something else does.
    """
    verdict = report.verdicts[0]
    blocking = [result for result in report.results if result.id in verdict.because]
    if verdict.answer != "no" or not blocking:
        return
    finding = max(blocking[0].findings, key=lambda finding: finding.status.rank)
    remedy = finding.fix.title if finding.fix else finding.why
    more = f"; {len(blocking) - 1} more, `sdcoreml doctor` lists them" if blocking[1:] else ""
    error = (
        NoSpaceError if {result.family for result in blocking} == {Family.DISK} else ConvertError
    )
    raise error(f"{finding.what} ({blocking[0].id}); {remedy}{more}")
