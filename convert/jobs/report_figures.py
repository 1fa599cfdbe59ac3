"""The figures of a folder as small charts, each in a table that says the same in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from sdcoreml.convert.bundle.contract import UNREAD
from sdcoreml.convert.compression.layers import group_layers
from sdcoreml.convert.compression.recipe import WHOLE, parse_recipe
from sdcoreml.convert.jobs.evidence import share_of_range
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.proof.decibels import IDENTICAL, format_db
from sdcoreml.convert.proof.record import AuditRecord, FigureRecord
from sdcoreml.ground.charts import Stick, bar, legend, sticks
from sdcoreml.ground.codec import DecodeError
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.markup import Child, Markup, code, join
from sdcoreml.ground.page import Column, folded, heading, paragraph, table

_MOST = 160.0
"""The right end of the decibels' scale."""

_MOST_PROGRAMS = 12
"""The programs whose layers are shown: no folder has more."""

_COLUMNS = (
    Column(title="Program"),
    Column(title="Output", kind="code"),
    Column(title="Type"),
    Column(title="Reached", kind="number"),
    Column(title="Needed", kind="number"),
    Column(title=f"0 to {_MOST:.0f} dB, the mark is what is needed", kind="chart"),
)


def accuracy(manifest: Manifest) -> Iterator[Markup]:
    """Yield how near each output comes to the model's: as measured here, or when certified."""
    here = {name: entry.checked.measured for name, entry in manifest.programs.items()}
    then = {
        name: entry.checked.certificate.outputs or entry.checked.outputs
        for name, entry in manifest.programs.items()
        if entry.checked.certificate
    }
    if any(here.values()) or any(then.values()):
        yield paragraph(
            "Decibels say how small the errors of an output are beside its range: 20 dB more is a"
            " tenth of the error. fp32 tests the graph; fp16 is what a Mac computes."
        )
    yield from _decibels("Measured here, with this model's weights", manifest, here)
    yield from _decibels(
        "Measured when the graphs were certified, with random weights", manifest, then
    )


def cost(manifest: Manifest) -> Iterator[Markup]:
    """Yield what compressed weights cost each output."""
    lost = {name: entry.checked.fidelity for name, entry in manifest.programs.items()}
    yield from _decibels("What compression leaves of the model's outputs", manifest, lost)


def _decibels(
    caption: str, manifest: Manifest, found: Mapping[str, Sequence[FigureRecord]]
) -> Iterator[Markup]:
    if any(found.values()):
        rows = (
            _row(name, figure, UNREAD.get(manifest.programs[name].component, frozenset()))
            for name, figures in found.items()
            for figure in figures
        )
        yield table(caption, _COLUMNS, rows)


def _row(name: str, figure: FigureRecord, unread: frozenset[str]) -> tuple[Child, ...]:
    is_low = figure.psnr < figure.floor
    is_unread = figure.output in unread
    output = f"{figure.output} (no app reads it)" if is_unread else figure.output
    tone = "bad" if is_low else "pale" if is_unread else ""
    return (
        name,
        output,
        figure.mode,
        format_db(figure.psnr) + (", too low" if is_low else ""),
        f"{figure.floor:g} dB",
        bar(min(figure.psnr, IDENTICAL), _MOST, figure.floor, tone),
    )


def weights(manifest: Manifest) -> Iterator[Markup]:
    """Yield how many weights of each program are the model's own, and how many have fewer bits."""
    audits = {name: entry.checked.audit for name, entry in manifest.programs.items()}
    if not any(audit.compressed for audit in audits.values()):
        count = sum(audit.matched for audit in audits.values())
        if count:
            yield paragraph(f"All {count:,} are stored as in the model; none has fewer bits.")
        return
    yield table(
        "Weights by program; errors in percent of the range of a layer's weights",
        (
            Column(title="Program"),
            Column(title="Stored"),
            Column(title="Weights", kind="number"),
            Column(title="Typical error", kind="number"),
            Column(title="Largest error", kind="long"),
            Column(title="Share of the weights", kind="chart"),
        ),
        [row for name, audit in audits.items() for row in _rows_of(name, audit)],
    )


def _rows_of(name: str, audit: AuditRecord) -> Iterator[tuple[Child, ...]]:
    total = audit.matched + sum(one.weights for one in audit.compressed.values())
    yield name, "as in the model", f"{audit.matched:,}", "", "", bar(audit.matched, total)
    for method, one in audit.compressed.items():
        yield (
            name,
            method,
            f"{one.weights:,}",
            share_of_range(one.typical) if one.typical else "",
            join(share_of_range(one.psnr), " ", code(one.worst) if one.worst else ""),
            bar(one.weights, total, tone=f"q{_bits(method)}"),
        )


def _bits(method: str) -> str:
    """Return the digits at the start of a method such as `6-bit palette`."""
    return method.partition("-")[0] if method.partition("-")[0].isdigit() else "16"


def layers(manifest: Manifest) -> Iterator[Markup]:
    """Yield the bits of each layer, for programs whose recipe says them."""
    for number, (name, entry) in enumerate(islice(manifest.programs.items(), _MOST_PROGRAMS)):
        try:
            recipe = parse_recipe(entry.recipe or {}, entry.component)
        except (DecodeError, SdcoremlError):
            continue  # verifying says so
        if recipe.layers:
            yield heading(f"Bits by layer: {name}")
            yield from bits_by_block(f"bits-{number}", recipe.layers)


def bits_by_block(key: str, found: Mapping[str, int]) -> Iterator[Markup]:
    """Yield a chart of the bits of each layer, a row for each block, and the same as a table."""
    groups = group_layers(found)
    wide = max(map(len, groups.values()), default=0)
    counts: dict[int, int] = {}
    for bits in sorted(found.values()):
        counts[bits] = counts.get(bits, 0) + 1
    yield legend(
        (
            f"q{bits}",
            f"{_named(bits)}: {count:,} layers" if count > 1 else f"{_named(bits)}: 1 layer",
        )
        for bits, count in counts.items()
    )
    yield table(
        "Each column is a layer; the higher, the more bits it has",
        (
            Column(title="Block"),
            Column(title="Layers", kind="number"),
            Column(title="Bits, on average", kind="number"),
            Column(title="Layer by layer", kind="chart"),
        ),
        (
            (
                block,
                f"{len(names):,}",
                f"{sum(found[name] for name in names) / len(names):.2f}",
                sticks(
                    f"{key}-{number}",
                    f"Bits of the layers in {block}",
                    ", ".join(f"{found[name]}" for name in names),
                    [
                        Stick(
                            height=found[name] / WHOLE,
                            tone=f"q{found[name]}",
                            name=f"{name}: {_named(found[name])}",
                        )
                        for name in names
                    ],
                    wide,
                ),
            )
            for number, (block, names) in enumerate(groups.items())
        ),
    )
    rows = ((name, f"{found[name]}") for names in groups.values() for name in names)
    columns = (Column(title="Layer"), Column(title="Bits", kind="number"))
    yield folded(
        f"All {len(found):,} layers as a table", table("Bits of each layer", columns, rows)
    )


def _named(bits: int) -> str:
    return "not compressed" if bits == WHOLE else f"{bits} bit{'s' * (bits > 1)}"
