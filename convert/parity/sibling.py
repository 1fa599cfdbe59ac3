"""Finds the certified graph that a program's graph equals in all but its shapes.

Builders draw the same graph for every image size and batch. Whether they did is not left to them:
the certified program is drawn again, which its key proves, and rewritten for the program's size by
rules of their own (`convert.certificates.resize`). If the result is the program, operation for
operation, running it for a small image proves as much as running the program. This module needs
neither coremltools nor torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sdcoreml.convert.certificates.digest import certificate_key, graph_digest, module_digest
from sdcoreml.convert.certificates.extents import Extents
from sdcoreml.convert.certificates.resize import resize
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.parity.drawn import Drawing, draw_without_weights
from sdcoreml.convert.parity.miniature import small_size
from sdcoreml.convert.programs.options import ProgramOptions, parse_options
from sdcoreml.convert.proof.record import Sibling
from sdcoreml.ground.errors import UnsupportedError

_ONE_ROW = frozenset({"vae_decoder", "vae_encoder"})
"""Programs that have one row whatever the batch, and attention of one layout only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinship:
    """A certified graph, drawn again, and its extents; the program's differs only in shapes."""

    sibling: Sibling
    drawing: Drawing
    extents: Extents

    def drawn_for(self, extents: Extents) -> Drawing:
        """Return the certified graph, rewritten for other extents. Raises like `resize`."""
        return replace(self.drawing, program=resize(self.drawing.program, self.extents, extents))

    def runs_for(self, options: ProgramOptions) -> int:
        """Return how many sets of inputs have as many rows as those of the certificate had."""
        return -(-self.sibling.origin.runs * self.extents.batch // options.batch)


def find_sibling(
    graph: str,
    component: str,
    config: Mapping[str, object],
    options: ProgramOptions,
    certificates: Iterable[Certificate],
) -> Kinship | None:
    """Return the certified graph that differs only in shapes; `None` if there is none.

    Args:
        graph: the program's `graph_digest`.
        component: the module that the program implements.
        config: the component's config.json.
        options: the options that the program was built with.
        certificates: the certificates to accept.
    """
    extents = extents_of(component, options)
    if extents is None:
        return None
    for certificate, shaped in _candidates(component, config, options, certificates):
        kinship = _draw_certified(certificate, component, config, shaped)
        if kinship is not None:
            return kinship if _is_like(kinship, extents, graph) else None
    return None


def small_drawing(
    kinship: Kinship, component: str, config: Mapping[str, object], options: ProgramOptions
) -> Drawing | None:
    """Return the certified graph, rewritten for a small image; `None` if none is smaller."""
    size, own = small_size(config, options), extents_of(component, options)
    if size is None or own is None or size[0] * size[1] >= own.height * own.width:
        return None
    try:
        return kinship.drawn_for(replace(own, height=size[0], width=size[1]))
    except UnsupportedError:
        return None


def extents_of(component: str, options: ProgramOptions) -> Extents | None:
    """Return what options say of a program's shapes; `None` if they leave it to the config."""
    if options.height is None or options.width is None:
        return None
    batch = 1 if component in _ONE_ROW else options.batch
    return Extents(height=options.height, width=options.width, batch=batch)


def _candidates(
    component: str,
    config: Mapping[str, object],
    options: ProgramOptions,
    certificates: Iterable[Certificate],
) -> Iterator[tuple[Certificate, ProgramOptions]]:
    """Yield certificates for the same module, with the program's options but their extents."""
    module = module_digest(component, config, options)
    for certificate in certificates:
        if certificate.module != module or not certificate.options:
            continue
        certified = parse_options(certificate.options)
        if certified.target is not options.target:
            continue
        if component in _ONE_ROW or certified.attention is options.attention:
            sizes = {name: getattr(certified, name) for name in ("height", "width", "batch")}
            yield certificate, replace(options, **sizes)


def _draw_certified(
    certificate: Certificate,
    component: str,
    config: Mapping[str, object],
    options: ProgramOptions,
) -> Kinship | None:
    """Draw a certified graph; return `None` if the result is not the one that was certified."""
    extents = extents_of(component, options)
    if extents is None:
        return None
    try:
        drawing = draw_without_weights(component, config, options)
        graph = graph_digest(drawing.program, drawing.placed)
    except UnsupportedError:
        return None
    key = certificate_key(graph, component, config, options)
    if key != certificate.key:
        return None
    sibling = Sibling(graph=key, title=certificate.title, origin=certificate.origin)
    return Kinship(sibling=sibling, drawing=drawing, extents=extents)


def _is_like(kinship: Kinship, extents: Extents, graph: str) -> bool:
    """Whether the certified graph, rewritten for these extents, is the program's."""
    try:
        rewritten = kinship.drawn_for(extents)
        return graph_digest(rewritten.program, kinship.drawing.placed) == graph
    except UnsupportedError:
        return False
