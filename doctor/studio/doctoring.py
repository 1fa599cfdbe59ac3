"""The doctor's verdicts and findings for the page, and the fixes that it may run with a button.

A button sends a key, never a command: the same check is run again, and what it suggests then is
what runs. Only commands of ours run, as words, without a shell: those that their check marks as
safe, and those that change nothing but our own environments. Others are shown, to be copied.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sdcoreml.doctor.api.options import read_options
from sdcoreml.doctor.commands.doctor import examine_given
from sdcoreml.doctor.core.check import Finding, Fix, Status
from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN, Report, Result
from sdcoreml.doctor.studio.plain import MOST_ITEMS, as_sentence, is_plain, plain
from sdcoreml.ground.advice import TOOL, spell_words
from sdcoreml.ground.errors import UsageError

OWN: frozenset[tuple[str, ...]] = frozenset({("env", "--no-cache"), ("env", "build", "--fresh")})
"""Commands that no check marks as safe, but which make anew what is ours: the environments."""

STATUSES: Mapping[Status, str] = {
    Status.OK: "ok",
    Status.INFO: "info",
    Status.WARNING: "warn",
    Status.ERROR: "bad",
    Status.UNKNOWN: "unknown",
    Status.SKIPPED: "skipped",
}
"""The page's word for each status; `unknown` is a check that could not be made."""

KEY = re.compile(r"([A-Z]{2,4}\d{3})\.(\d{1,3})\.([0-9a-f]{16})")
"""A key: the check, which of its findings, and a digest of the command."""

CHECK = re.compile(r"[A-Za-z]{2,12}\d{0,3}")
"""The id of a check, or a family's letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """A fix to put into the queue: its title, the words of our command, and the check to repeat."""

    title: str
    words: tuple[str, ...]
    check: str


def examine_machine(select: str = "", toolchain: str = DEFAULT_TOOLCHAIN) -> Report:
    """Run the doctor's checks of this machine.

    `select` runs the checks of one id or family only.

    Raises:
        UsageError: no check or family is called so.
    """
    if select and not CHECK.fullmatch(select):
        raise UsageError("no check is called so", where=plain(select, 40))
    chosen = {"select": select} if select else {}
    args = read_options("doctor", [], {"toolchain": toolchain, **chosen})
    report, _ = examine_given(args)
    return report


def as_data(report: Report) -> dict[str, object]:
    """Convert a report to plain values for JSON: what needs attention comes first."""
    results = sorted(report.results, key=lambda one: -one.status.rank)
    found = [finding for result in results for finding in _findings(result)]
    return {
        "verdicts": [
            {
                "goal": one.goal,
                "answer": one.answer,
                "sentence": as_sentence(one.sentence),
                "because": list(one.because),
                "needs": [plain(need) for need in one.needs],
            }
            for one in report.verdicts
        ],
        "findings": found[: 2 * MOST_ITEMS],
        "toolchain": plain(report.toolchain, 60),
    }


def _findings(result: Result) -> Iterator[dict[str, object]]:
    """Yield what a check found; of one that found nothing, or was not made, nothing is `what`.

    The title says what a check demands, which is the opposite of what it found: `what` is the
    heading, where there is one.
    """
    about = {"id": result.id, "title": result.title, "family": result.family.value}
    if not result.findings:
        yield {**about, "status": STATUSES[result.status], "why": as_sentence(result.reason)}
    for number, finding in enumerate(result.findings):
        found: dict[str, object] = {
            **about,
            "status": STATUSES[finding.status],
            "what": as_sentence(finding.what),
            "why": as_sentence(finding.why),
        }
        if finding.where:
            found["where"] = plain(finding.where)
        yield {**found, "fix": _fix(result.id, number, finding)} if finding.fix else found


def _fix(check: str, number: int, finding: Finding) -> dict[str, object]:
    fix = finding.fix or Fix("")
    commands = [shlex.join(spell_words(command)) for command in fix.commands]
    typed = " && ".join(commands)
    found: dict[str, object] = {
        "title": as_sentence(fix.title),
        "command": typed if is_plain(typed) else "",
        "is_safe": fix.safe,
    }
    return {**found, "key": _key(check, number, fix)} if _words(fix) else found


def _words(fix: Fix) -> tuple[str, ...]:
    """Return the words of a fix that a button may run, without the program; else none."""
    if len(fix.commands) != 1 or fix.commands[0][:1] != (TOOL,):
        return ()
    words = fix.commands[0][1:]
    return words if fix.safe or words in OWN else ()


def _key(check: str, number: int, fix: Fix) -> str:
    """Return the key of a fix; it is another one if the check suggests another command."""
    digest = hashlib.sha256("\0".join(_words(fix)).encode("utf-8", "surrogateescape"))
    return f"{check}.{number}.{digest.hexdigest()[:16]}"


def find_mend(key: str, toolchain: str = DEFAULT_TOOLCHAIN) -> Mend:
    """Run the check of a fix again, and return what it suggests now.

    Raises:
        UsageError: it suggests that no more, or nothing that a button may run.
    """
    parts = KEY.fullmatch(key)
    if parts is None:
        raise UsageError("there is no such fix", where=plain(key, 60), remedy="look again")
    report = examine_machine(parts[1], toolchain)
    return choose_mend(key, report)


def choose_mend(key: str, report: Report) -> Mend:
    """Return the fix with this key from a report.

    Raises:
        UsageError: the report has none.
    """
    for result in report.results:
        for number, finding in enumerate(result.findings):
            fix = finding.fix
            if fix and (words := _words(fix)) and _key(result.id, number, fix) == key:
                return Mend(title=as_sentence(fix.title, 160), words=words, check=result.id)
    what = "this is no longer what the check suggests"
    raise UsageError(what, where=plain(key, 60), remedy="look at the findings again")
