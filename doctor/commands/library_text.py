"""A folder of models as text: the verdict first, a line for each entry, what to do below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sdcoreml.convert.models.family import Family
from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.core.library import (
    CRASHES_272,
    HIDES_NEXT,
    OTHERS,
    Judged,
    Kind,
    Twins,
)
from sdcoreml.ground.advice import command
from sdcoreml.ground.quantity import amount
from sdcoreml.ground.visible import one_line

_WIDEST = 44
"""The longest name that others are lined up with."""

_MOST_TWINS = 5
"""The groups of equal weights that are listed."""

_MOST_NAMES = 3
"""The files of a group that are named."""

_ATTENTIONS = {"split": "split-einsum", "original": "original attention"}


def as_text(path: Path, entries: Sequence[Judged], twins: Sequence[Twins]) -> Iterator[str]:
    """Yield the lines about one folder."""
    yield f"{one_line(str(path))}: {_verdict(entries)}"
    names = [one_line(one.entry.name) for one in entries]
    width = max((len(name) for name in names if len(name) <= _WIDEST), default=0)
    for name, one in zip(names, entries, strict=True):
        yield f"  {_word(one):<8} {name:<{width}}  {one_line(_about(one))}"
        yield from (f"{'':11}{one_line(line)}" for line in _below(one))
    yield from _sharing(twins)
    if sick := next((one for one in entries if one.findings), None):
        more = command("doctor", sick.entry.path)
        yield f"  judged by descriptions; {more} reads one whole, and says what to do"


_SAID = {
    "runs": ("runs in both apps", "run in both apps"),
    "limited": ("runs with limits", "run with limits"),
    "fails": ("does not run", "do not run"),
}
"""For each verdict in a word, what is said of one model and of several."""


def _verdict(entries: Sequence[Judged]) -> str:
    models = [one for one in entries if one.entry.kind in (Kind.MODEL, Kind.NET)]
    if not entries:
        return "empty"
    words = [_word(one) for one in models]
    said = (
        f"{count} {said[count > 1]}" for word, said in _SAID.items() if (count := words.count(word))
    )
    parts = [
        f"{_count(len(models), 'model')}: {', '.join(said)}" if models else "no Core ML models"
    ]
    if hidden := sum(one.has(HIDES_NEXT) for one in models):
        parts.append(f"the next Mochi Diffusion will hide {hidden}")
    if crashing := sum(one.has(CRASHES_272) for one in models):
        parts.append(f"macOS 27.2 crashes on {crashing} with CPU & GPU")
    if others := len(entries) - len(models):
        parts.append(f"{others} of other kinds")
    return "; ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _word(judged: Judged) -> str:
    """Return the verdict on an entry in one word."""
    if not judged.apps:
        return "-"
    answers = {one.runs for one in judged.apps}
    return "runs" if answers == {"yes"} else "fails" if answers == {"no"} else "limited"


def _about(judged: Judged) -> str:
    entry = judged.entry
    if not judged.apps:
        return ", ".join(filter(None, (entry.reason, _link(judged))))
    known = entry.family is not Family.UNKNOWN
    family = entry.family.value if known else "a model of unknown family"
    if entry.kind is Kind.NET:
        family = f"ControlNet for {entry.family.value}" if known else "ControlNet"
    pixels = "x".join(map(str, entry.size)) if any(entry.size) else ""
    maker = "made by others" if entry.maker == OTHERS else ""
    macos = f"macOS {judged.macos} or newer" if judged.macos else ""
    attention = _ATTENTIONS.get(entry.attention, "")
    parts = (
        family,
        pixels,
        attention,
        entry.storage,
        amount(entry.nbytes),
        macos,
        maker,
        _link(judged),
    )
    return ", ".join(filter(None, parts))


def _link(judged: Judged) -> str:
    return f"a link to {judged.entry.link}" if judged.entry.link else ""


def _below(judged: Judged) -> Iterator[str]:
    """Yield what is wrong with an entry, each fault once, or what to do with it."""
    if judged.entry.remedy:
        yield judged.entry.remedy
    for check, finding in judged.findings:
        if finding.status.rank > Status.INFO.rank:
            yield f"{check} {finding.what}"
    if judged.entry.kind is Kind.NET:
        fits = ", ".join(judged.fits) or "no model here"
        yield f"Mochi Diffusion offers it for {fits}"
    said = {finding.what for _, finding in judged.findings}
    reasons: dict[str, list[str]] = {}
    for one in judged.apps:
        if one.runs != "yes" and one.reason not in said:
            reasons.setdefault(f"{one.runs}, {one.reason}", []).append(one.target)
    yield from (f"{' and '.join(apps)}: {reason}" for reason, apps in reasons.items())


def _sharing(twins: Sequence[Twins]) -> Iterator[str]:
    if not twins:
        return
    total = amount(sum(one.saves for one in twins))
    yield f"  sharing weights that look equal (by size and samples) would save {total}:"
    for one in twins[:_MOST_TWINS]:
        names = [one_line(f"{file.entry}/{file.program}") for file in one.files[:_MOST_NAMES]]
        more = len(one.files) - len(names)
        names += [f"{more} more"] if more else []
        yield f"    {amount(one.saves)}: {', '.join(names)}"
    if rest := twins[_MOST_TWINS:]:
        yield f"    {amount(sum(one.saves for one in rest))}: {_count(len(rest), 'other group')}"
