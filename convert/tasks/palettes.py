"""Palettes and scales that were found for a checkpoint's weights before, and new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sdcoreml.convert.compression.compress import Finder
from sdcoreml.convert.compression.forms import Form
from sdcoreml.convert.programs.payload import Payload
from sdcoreml.convert.storage.table import Table
from sdcoreml.convert.tasks.shares import amount_of_clustering
from sdcoreml.ground.events import Emit
from sdcoreml.ground.labour import Labour, tell


@dataclass(slots=True, kw_only=True)
class KnownPalettes:
    """A `Finder` that looks for what rounds a weight among `known` first, by `key_of`."""

    finder: Finder
    emit: Emit
    known: dict[str, Table]
    _new: dict[str, Table] = field(default_factory=dict)

    def find(self, payloads: Sequence[Payload], form: Form) -> list[np.ndarray]:
        """Return the palettes or scales of each weight, in order."""
        keys = {payload.name: key_of(payload, form) for payload in payloads}
        missing = [payload for payload in payloads if keys[payload.name] not in self.known]
        if missing:
            for payload, found in zip(missing, self.finder.find(missing, form), strict=True):
                self._new[keys[payload.name]] = Table.of(found)
        self.known.update(self._new)
        is_new = {payload.name for payload in missing}
        known = [payload for payload in payloads if payload.name not in is_new]
        tell(self.emit, Labour.CLUSTER, sum(amount_of_clustering(one, form) for one in known))
        return [self.known[keys[payload.name]].as_array() for payload in payloads]

    def take_new(self) -> dict[str, Table]:
        """Return what was found and was not known since the last call."""
        new, self._new = self._new, {}
        return new


def key_of(payload: Payload, form: Form) -> str:
    """Return what a weight's palettes or scales depend on, beside the checkpoint."""
    shape = tuple(payload.type.shape)
    stored = (form.method.value, form.bits, form.group)
    return repr((payload.source.identity(), shape, stored))
