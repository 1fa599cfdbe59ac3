"""What a log of one kind is expected to be told."""

from __future__ import annotations

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine


def expect(log: str, name: str, said: str) -> None:
    """Expect a family as the first cause, and these words in it or its remedy."""
    expect_entry(f"{log.rstrip()}\n", f"family-{name}", said)


def expect_entry(log: str, name: str, said: str) -> None:
    """Expect an entry as the first cause, and these words in it or its remedy."""
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.entry.id == name
    assert said in cause.cause + cause.fix
