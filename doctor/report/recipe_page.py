"""The page of a recipe: how much each layer changes the output, and the bits that it gets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sdcoreml.convert.compression.layers import group_layers
from sdcoreml.convert.jobs.report_figures import bits_by_block
from sdcoreml.doctor.report.run_page import SELF_CONTAINED
from sdcoreml.ground.charts import Stick, bar, sticks
from sdcoreml.ground.markup import Child, Markup
from sdcoreml.ground.page import Column, Page, Section, folded, heading, paragraph, table

_QUIETEST, _LOUDEST = -90.0, 0.0
"""The ends of the scale for a layer's effect, in dB of the output's variance."""

_SHOWN = 20
"""How many of the layers that change most are listed first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A measured program: its layers' bits, effects and sizes, and the PSNRs in dB.

    `effects` are the mean squared changes of the output, relative to its variance, if one layer
    alone has 4 bits.
    """

    model: str
    component: str
    layers: Mapping[str, int]
    average: float
    psnr: float
    uniform: Mapping[str, float]
    effects: Mapping[str, float] = field(default_factory=dict)
    elements: Mapping[str, int] = field(default_factory=dict)


def recipe_page(found: Measured) -> Page:
    """Return the page."""
    return Page(
        kind="Recipe for compressing weights, by sdcoreml",
        title=f"{found.component} of {found.model}",
        lead=(f"{len(found.layers):,} layers, {found.average:.2f} bits on average",),
        sections=(
            Section(key="gain", title="What the mixture gains", content=tuple(_gain(found))),
            Section(key="layers", title="How sensitive layers are", content=tuple(_effects(found))),
            Section(
                key="bits",
                title="The bits of each layer",
                content=tuple(bits_by_block("bits", found.layers)),
            ),
        ),
        foot=(SELF_CONTAINED,),
    )


def _gain(found: Measured) -> Iterator[Markup]:
    yield paragraph(
        "How near the compressed program's output comes to the model's, on noise of a few latent"
        " pixels, at the first and the last step."
    )
    rows = [(f"this recipe, {found.average:.2f} bits", found.psnr)]
    rows += [(f"{bits} bits for all", psnr) for bits, psnr in found.uniform.items()]
    most = max(80.0, *(psnr for _, psnr in rows if math.isfinite(psnr)))
    yield table(
        "The recipe beside uniform bits",
        (
            Column(title="Bits"),
            Column(title="PSNR", kind="number"),
            Column(title=f"0 to {most:.0f} dB", kind="chart"),
        ),
        ((name, f"{psnr:.1f} dB", bar(psnr, most)) for name, psnr in rows),
    )


def _effects(found: Measured) -> Iterator[Markup]:
    """Yield how loud the error is that each layer alone makes, by block and as a table."""
    if not found.effects:
        return
    levels = {name: decibels(effect) for name, effect in found.effects.items()}
    yield paragraph(
        "Each layer was rounded to 4 bits by itself. A column is a layer: the higher, the more the"
        f" output changed, from {_QUIETEST:.0f} dB to {_LOUDEST:.0f} dB of its variance."
    )
    groups = group_layers(levels)
    wide = max(map(len, groups.values()))
    yield table(
        "Layers by block",
        (
            Column(title="Block"),
            Column(title="Layers", kind="number"),
            Column(title="Most", kind="number"),
            Column(title="Layer by layer", kind="chart"),
        ),
        (
            _block(f"effect-{number}", block, names, levels, wide)
            for number, (block, names) in enumerate(groups.items())
        ),
    )
    order = sorted(levels, key=lambda name: -levels[name])
    yield heading("The layers that change the output most")
    yield _listed("The most sensitive layers", order[:_SHOWN], found, levels)
    if rest := order[_SHOWN:]:
        listed = _listed("The other layers", rest, found, levels)
        yield folded(f"The other {len(rest):,} layers", listed)


def _block(
    key: str, block: str, names: Sequence[str], levels: Mapping[str, float], wide: int
) -> tuple[Child, ...]:
    said = ", ".join(f"{levels[name]:.0f}" for name in names)
    chart = sticks(
        key,
        f"Sensitivity of the layers in {block}, in dB",
        said,
        [
            Stick(height=_height(levels[name]), tone="value", name=f"{name}: {levels[name]:.1f} dB")
            for name in names
        ],
        wide,
    )
    return block, f"{len(names):,}", f"{max(levels[name] for name in names):.1f} dB", chart


def _listed(
    caption: str, names: Sequence[str], found: Measured, levels: Mapping[str, float]
) -> Markup:
    return table(
        caption,
        (
            Column(title="Layer"),
            Column(title="Weights", kind="number"),
            Column(title="Change", kind="number"),
            Column(title="Bits", kind="number"),
            Column(title="On the same scale", kind="chart"),
        ),
        (
            (
                name,
                f"{found.elements.get(name, 0):,}",
                f"{levels[name]:.1f} dB",
                f"{found.layers.get(name, '')}",
                bar(_height(levels[name]), 1.0),
            )
            for name in names
        ),
    )


def decibels(effect: float) -> float:
    """Return a mean squared change, relative to the variance, in dB."""
    if math.isnan(effect):
        return _LOUDEST
    return max(_QUIETEST, 10 * math.log10(effect)) if effect > 0 else _QUIETEST


def _height(level: float) -> float:
    return max(0.02, min((level - _QUIETEST) / (_LOUDEST - _QUIETEST), 1.0))
