"""Compares the proof of a program in a manifest with a proof made now.

Figures depend on the machine in their last digits: sums are taken in another order. Counts, names,
digests and floors do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from sdcoreml.convert.proof.record import AuditRecord, FigureRecord, Origin, ProgramProof, Rounded

SLACK = 3.0
"""The largest accepted difference of a figure between machines, in dB."""

SAMPLED_SLACK = 12.0
"""The same as `SLACK`, for a proof made now with a single run for a smaller image."""

_ROUNDED_SLACK = 0.05
_FACTOR = 3.0
"""The largest accepted ratio between two measured largest errors."""


def differences(
    said: ProgramProof,
    found: ProgramProof,
    issued: Mapping[str, Origin],
    *,
    fast: bool = False,
) -> Iterator[str]:
    """Yield each difference between a recorded proof and one made now.

    Args:
        said: the proof in the manifest.
        found: the proof made now.
        issued: all certificates by their keys.
        fast: whether the program was now run only once, for a small image.
    """
    if not said.passed or said.component != found.component:
        yield f"its proof is not one of a {found.component} that passed"
    if said.graph != found.graph and not said.unchecked:
        yield f"the digest of its graph is {found.graph}, and it says {said.graph}"
    yield from _of_audit(said.audit, found.audit)
    if said.sibling and said.sibling.origin != issued.get(said.sibling.graph):
        yield "the certified graph that it names is none that this version of sdcoreml has"
    if said.certificate:
        yield from _of_certificate(said, issued)
    elif said.unchecked:
        if said.outputs or said.fidelity or said.runs or said.graph:
            yield "it was not run, and has figures"
    elif not (found.certificate or found.unchecked):
        is_sample = fast or (said.sibling is not None and found.sibling is None)
        yield from _of_figures(said, found, is_sample=is_sample)


def _of_certificate(said: ProgramProof, issued: Mapping[str, Origin]) -> Iterator[str]:
    if said.certificate != issued.get(said.graph or ""):
        yield "its certificate is none that this version of sdcoreml has"
    if said.unchecked:
        yield "it was certified, and says that it was not checked"
    has_figures = said.runs or said.outputs or said.fidelity or said.own is not None
    if has_figures or said.sample or said.sibling:
        yield "it was certified, not run, and has figures"


def _of_audit(said: AuditRecord, found: AuditRecord) -> Iterator[str]:
    if replace(said, compressed={}) != replace(found, compressed={}):
        yield "its audit of the weights is not what an audit finds now"
    methods = sorted(said.compressed.keys() ^ found.compressed.keys())
    if methods:
        yield f"its weights are compressed otherwise than it says: {methods[0]}"
    elif not all(_are_alike(said.compressed[name], one) for name, one in found.compressed.items()):
        yield "the accuracy of its compressed weights is not what is measured now"


def _are_alike(said: Rounded, found: Rounded) -> bool:
    figures = ((said.psnr, found.psnr), (said.typical, found.typical))
    is_near = all(abs(one - other) <= _ROUNDED_SLACK for one, other in figures)
    return is_near and (said.weights, said.worst) == (found.weights, found.worst)


def _of_figures(said: ProgramProof, found: ProgramProof, *, is_sample: bool) -> Iterator[str]:
    if not is_sample and (said.runs, said.sample) != (found.runs, found.sample):
        yield f"it was run {said.runs} times, and {found.runs} times make a check"
    for name, before, now in (
        ("output", said.outputs, found.outputs),
        ("compressed output", said.fidelity, found.fidelity),
    ):
        yield from _unequal(name, before, now, SAMPLED_SLACK if is_sample else SLACK)
    if not is_sample and (said.own is None) != (found.own is None):
        yield "it says otherwise how exact its module is"
    elif not is_sample and said.own and found.own and abs(said.own - found.own) > SLACK:
        yield f"its module is {found.own} dB from exact, and it says {said.own}"


def _unequal(
    name: str, said: Iterable[FigureRecord], found: Iterable[FigureRecord], slack: float
) -> Iterator[str]:
    before = {(one.output, one.mode): one for one in said}
    now = {(one.output, one.mode): one for one in found}
    if slack == SLACK and before.keys() != now.keys():
        yield f"figures are of other {name}s than are measured now"
    for key in before.keys() & now.keys():
        one, other = before[key], now[key]
        is_near = abs(one.psnr - other.psnr) <= slack and abs(one.floor - other.floor) <= SLACK
        is_alike = slack > SLACK or _is_near(one.max_error, other.max_error)
        if not is_near or not is_alike:
            yield f"the {name} {key[0]} in {key[1]}: {other.psnr} dB now, and it says {one.psnr}"


def _is_near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return one <= _FACTOR * other and other <= _FACTOR * one
