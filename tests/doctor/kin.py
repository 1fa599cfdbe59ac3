"""What a log of one kind is expected to be told."""

from __future__ import annotations

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine


def expect(log: str, name: str, said: str) -> None:
    """Expect a family as the first cause, and these words in it or its remedy."""
    cause = examine(f"{log.rstrip()}\n", entries()).cause
    assert cause is not None
    assert cause.entry.id == f"family-{name}"
    assert said in cause.cause + cause.fix
