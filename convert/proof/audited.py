"""Remembers audits, so that weights that were compared once are not compared again.

An audit depends on the constants that a program states, on the bytes of its weight files, and on
the tensors that these are compared with. It does not depend on the rest of the graph: programs of
two image sizes, which share a weight file, share its audit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from sdcoreml.convert.proof.audit import Audit, stated_constants
from sdcoreml.convert.proof.compressed import arguments, constants_of
from sdcoreml.convert.proof.weighing import compressed_constants
from sdcoreml.convert.spec.model import Function
from sdcoreml.ground.crew import at_work
from sdcoreml.ground.labour import Labour, auditing, comparing, tell


class Audits(Protocol):
    """Audits by their keys."""

    def find(self, key: str) -> Audit | None:
        """Return the audit with this key; `None` if it is not known."""
        ...

    def keep(self, key: str, audit: Audit) -> None:
        """Remember an audit."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Audits of programs whose weight files, and what they are compared with, are known.

    `content` is a digest of both, and of the code that compares them.
    """

    audits: Audits
    content: str

    def find(
        self, function: Function, prefixes: tuple[str, ...], ignored: tuple[str, ...]
    ) -> Audit | None:
        """Return the audit that `convert.proof.audit.audit` would make, if it was made before.

        One with faults is made again: none was remembered.
        """
        found = self.audits.find(self._key(function, prefixes, ignored))
        if found is None or not found.passed:
            return None
        _tell_work(function, found)
        return found

    def keep(
        self,
        function: Function,
        prefixes: tuple[str, ...],
        ignored: tuple[str, ...],
        audit: Audit,
    ) -> None:
        """Remember an audit without faults."""
        if audit.passed:
            self.audits.keep(self._key(function, prefixes, ignored), audit)

    def _key(self, function: Function, prefixes: tuple[str, ...], ignored: tuple[str, ...]) -> str:
        digest = hashlib.sha256(repr((self.content, prefixes, ignored)).encode())
        for stated in _stated(function):
            digest.update(stated.encode())
        return digest.hexdigest()


def _stated(function: Function) -> Iterator[str]:
    """Yield all that an audit reads of a function."""
    for name, value in stated_constants(function):
        yield f"{name} {value!r}\n"
    constants = constants_of(function.block)
    for operation in compressed_constants(function):
        values = sorted(arguments(operation, constants).items())
        yield f"{operation.type} {operation.outputs!r} {values!r}\n"


def _tell_work(function: Function, audit: Audit) -> None:
    """Tell that the work of an audit is done."""
    counts = (operation.outputs[0].tensor.count for operation in compressed_constants(function))
    tell(at_work().emit, Labour.AUDIT, auditing(sum(counts)))
    tell(at_work().emit, Labour.COMPARE, comparing(audit.elements))
