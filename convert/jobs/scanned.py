"""Which components' numbers were read before, and for which programs: these are not read again.

A program reads only a part of a VAE's tensors, and of float16 ones more is asked
(`convert.jobs.reading`). So what is remembered of a component is each program with its precision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sdcoreml.convert.cache.shelf import Cache, Values
from sdcoreml.convert.jobs.manifest import MadeIn
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.reuse import Inputs
from sdcoreml.convert.jobs.weighed import component_key


def find_scanned(
    jobs: Iterable[Job], inputs: Inputs, toolchain: MadeIn, cache: Cache
) -> Collection[str]:
    """Return the components of `inputs` that were read for all programs of the jobs."""
    asked = _list_asked(jobs)
    return {
        source
        for source in inputs
        if asked.get(source, set())
        <= _known(component_key(source, inputs[source], toolchain), cache)
    }


def keep_scanned(jobs: Iterable[Job], read: Inputs, toolchain: MadeIn, cache: Cache) -> None:
    """Remember for which programs the components in `read` were read, without finding a fault."""
    asked = _list_asked(jobs)
    for source in read:
        key = component_key(source, read[source], toolchain)
        known = sorted(_known(key, cache) | asked.get(source, set()))
        cache.keep_values(Values.SCANS, key, {"read": known})


def _list_asked(jobs: Iterable[Job]) -> Mapping[str, set[str]]:
    """Return the programs that the jobs make of each component, with their precision."""
    asked: dict[str, set[str]] = {}
    for job, part in ((one, part) for one in jobs for part in one.parts):
        precision = job.options.for_program(part).precision
        asked.setdefault(part.source, set()).add(f"{part.program} {precision.value}")
    return asked


def _known(key: str, cache: Cache) -> set[str]:
    known = cache.find_values(Values.SCANS, key).get("read")
    return {one for one in known if isinstance(one, str)} if isinstance(known, list) else set()
