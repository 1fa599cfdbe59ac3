"""Reads all weights of a conversion once, before anything is built from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.jobs.manifest import inputs_of
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.models.layout import Component
from sdcoreml.convert.models.skeleton import find_strangers
from sdcoreml.convert.programs.options import Precision
from sdcoreml.convert.weights.scan import scan_file
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.ground.crew import at_work
from sdcoreml.ground.digest import FileRecord, describe

HALVES: Mapping[str, tuple[str, ...]] = {
    "vae_decoder": ("decoder.", "post_quant_conv."),
    "vae_encoder": ("encoder.", "quant_conv."),
}
"""Maps each program of a VAE to the prefixes of the names of the tensors that it uses."""


def read_all(
    jobs: Sequence[Job], known: Collection[str] = ()
) -> Mapping[str, Mapping[str, FileRecord]]:
    """Read the files of each component that is used, and return their records by component.

    Those of the components in `known` are not read.

    Raises:
        BadInputError: as `read_inputs`.
    """
    parts: dict[str, list[ProgramSpec]] = {}
    half: dict[str, list[ProgramSpec]] = {}
    for job, part in ((one, part) for one in jobs for part in one.parts):
        parts.setdefault(part.source, []).append(part)
        if job.options.for_program(part).precision is Precision.FP16:
            half.setdefault(part.source, []).append(part)
    models = {part.source: job.model for job in jobs for part in job.parts}
    return {
        name: read_inputs(models[name].components[name], made, half.get(name, ()))
        for name, made in parts.items()
        if name not in known
    }


def read_inputs(
    component: Component, parts: Iterable[ProgramSpec], half: Iterable[ProgramSpec] = ()
) -> Mapping[str, FileRecord]:
    """Return the size and SHA-256 of a component's files, by their names in the manifest.

    `parts` are the programs made from it, and `half` those of them that use float16.

    Raises:
        BadInputError: a tensor that one of `parts` uses has an infinity or a NaN, or a tensor that
            one of `half` uses has a number too large for float16.
    """
    tensors = tuple(_list_used(component, tuple(parts)))
    narrow = frozenset(tensor.name for tensor in _list_used(component, tuple(half)))
    records: dict[str, FileRecord] = {}
    for name, path in inputs_of(component):
        inside = [tensor for tensor in tensors if tensor.path == path]
        records |= (
            {name: scan_file(path, inside, narrow, at_work().emit)}
            if inside
            else describe({name: path})
        )
    return records


def _list_used(component: Component, parts: tuple[ProgramSpec, ...]) -> Iterator[TensorInfo]:
    """Yield the tensors that the programs use; only these are checked for infinities and NaN."""
    tensors = component.checkpoint.tensors if component.checkpoint else ()
    names = (tensor.name for tensor in tensors)
    strangers = frozenset(find_strangers(component.kind, component.config, names))
    starts = tuple(start for part in parts for start in HALVES.get(part.program, ("",)))
    for tensor in tensors:
        if tensor.name.startswith(starts) and tensor.name not in strangers:
            yield tensor
