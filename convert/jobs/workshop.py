"""What a conversion works with, whatever it converts."""

from __future__ import annotations

from dataclasses import dataclass, field

from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.jobs.manifest import MadeIn
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.jobs.upstream import UpstreamConverter
from sdcoreml.convert.worker import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The tools of a conversion.

    `runner` runs tasks in the built environment, and `toolchain` is that environment's record for
    the manifest. `policy` says how programs are proved. `force` allows replacing a result of
    another model, or a checked result by an unchecked one. `upstream`, if given, writes packages
    instead of our builders. Unless `keeps_packages` is true, packages are removed at the end.
    `workers` processes share the work, with the same result. `cache` has records of programs that
    were made before; without one, none is looked for.
    """

    runner: Runner
    toolchain: MadeIn
    policy: ProofPolicy = field(default_factory=ProofPolicy)
    force: bool = False
    upstream: UpstreamConverter | None = None
    keeps_packages: bool = True
    workers: int = 1
    cache: Cache | None = None

    @property
    def finds(self) -> Cache | None:
        """The cache in which programs are looked up: none for another converter's."""
        return None if self.upstream else self.cache
