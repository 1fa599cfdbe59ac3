"""The page of a finished folder: what it is, how it was checked, and how apps load it.

The page follows from the manifest alone, so equal conversions have equal pages. The times and the
memory of a run are no part of it; `sdcoreml report` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sdcoreml.convert.jobs.manifest import MARKER, REPORT, Manifest
from sdcoreml.convert.jobs.report_figures import accuracy, cost, layers, weights
from sdcoreml.convert.jobs.report_loading import loading
from sdcoreml.convert.jobs.report_origin import environment, made_from, programs
from sdcoreml.convert.jobs.report_verdicts import judge, of_apps
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.programs.options import Attention
from sdcoreml.ground.digest import FileRecord, describe
from sdcoreml.ground.markup import Markup
from sdcoreml.ground.page import Page, Section, verdicts

KIND = "Core ML folder, made by sdcoreml"


def write_report(manifest: Manifest, folder: Path) -> Mapping[str, FileRecord]:
    """Write the page of a folder, and return its record for the manifest."""
    path = folder / REPORT
    path.write_bytes(page(manifest).encode())
    return describe({REPORT: path})


def page(manifest: Manifest, more: Sequence[Section] = ()) -> Page:
    """Return the page; `more` is shown after the verdict, such as pictures and a run."""
    return Page(
        kind=KIND,
        title=manifest.model.name,
        lead=tuple(_lead(manifest)),
        sections=(
            Section(key="verdict", title="Verdict", content=(verdicts(judge(manifest)),)),
            *more,
            Section(key="load", title="Load it", content=tuple(loading(manifest))),
            Section(key="apps", title="What the apps offer", content=tuple(of_apps(manifest))),
            Section(key="accuracy", title="Accuracy", content=tuple(_figures(manifest))),
            Section(key="weights", title="Weights", content=tuple(_weights(manifest))),
            Section(key="origin", title="Made from", content=tuple(made_from(manifest))),
            Section(key="folder", title="In this folder", content=tuple(programs(manifest))),
            Section(key="environment", title="Made in", content=tuple(environment(manifest))),
        ),
        foot=(
            (
                f"This page follows from {MARKER} alone: the same conversion writes the same bytes."
                " It has no script, and asks for nothing from elsewhere."
            ),
        ),
    )


def _figures(manifest: Manifest) -> Iterator[Markup]:
    yield from accuracy(manifest)
    yield from cost(manifest)


def _weights(manifest: Manifest) -> Iterator[Markup]:
    yield from weights(manifest)
    yield from layers(manifest)


_LAYOUTS: Mapping[Attention, str] = {
    Attention.ORIGINAL: "for the GPU (original attention)",
    Attention.SPLIT_EINSUM: "for the Neural Engine (split-einsum)",
    Attention.SPLIT_EINSUM_V2: "for the Neural Engine (split-einsum v2)",
}


def _lead(manifest: Manifest) -> Iterator[str]:
    options = manifest.options
    width, height = (PIXELS_PER_LATENT * side for side in (options.width, options.height))
    yield f"{manifest.model.family}, {width}x{height} pixels, {_LAYOUTS[options.attention]}"
    yield f"{options.target.value} and {options.target.ios}, or newer"
