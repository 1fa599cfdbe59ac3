"""The page of what was measured on Macs, generated from the measurements that came in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.loading.evidence import Collection
from sdcoreml.convert.loading.share import Measurement, SharedProgram
from sdcoreml.ground.quantity import amount

NOTHING = "Nothing has come in yet: **we know of no folder of ours that was loaded on a Mac.**"

_HEAD = """\
# What was loaded on Macs

Every line is a measurement that somebody shared. Yours is welcome. On a Mac:

    sdcoreml verify FOLDER --with coreml --share FILE

Read the file, which has no name, no path and no serial number, and send it. In a clone, this adds
it and writes this page anew:

    sdcoreml env evidence add FILE

Form, ranges and digests are checked; that the figures are true, nothing proves.
"""
_COLUMNS = (
    "chip",
    "macOS",
    "program",
    "units",
    "bits",
    "result",
    "load cold",
    "warm",
    "a run",
    "memory",
    "on the CPU",
)


def page(collection: Collection, certificates: Mapping[str, Certificate]) -> str:
    """Return the page in Markdown."""
    if not collection.measurements:
        return f"{_HEAD}\n{NOTHING}\n"
    rows = [
        _row(found, one, certificates)
        for found in collection.measurements
        for one in found.programs
    ]
    head = [_line(_COLUMNS), _line("---" for _ in _COLUMNS)]
    return "\n".join((_HEAD, *head, *sorted(rows), ""))


def _row(found: Measurement, one: SharedProgram, certificates: Mapping[str, Certificate]) -> str:
    known = certificates.get(one.graph)
    title = known.title if known else f"a graph without certificate, {one.height}x{one.width}"
    figures = "" if one.psnr is None else f", {one.psnr:.1f} dB"
    place = one.placement
    return _line(
        (
            found.chip,
            found.macos,
            f"{one.component}: {title}",
            one.units.value,
            str(one.bits or "recipe"),
            f"{one.result.value}{figures}",
            _seconds(one.cold),
            _seconds(one.warm),
            "" if one.run is None else f"{one.run * 1000:,.1f} ms",
            amount(one.peak_memory),
            "" if place is None else f"{place.cpu:,} of {place.cpu + place.gpu + place.ne:,}",
        )
    )


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:,.2f} s"


def _line(cells: Iterator[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
