"""Puts before and behind a log what programs print of something that they do without.

Most logs have some of it: an optional package is missing, an extension was not loaded, a request
was tried again. None of it may be told as the cause of what failed beside it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.lockfiles.table import read_table
from tests.bench.diagnose import Judged, is_named

ASIDES = {
    row.get("name", str): row.get("text", str)
    for row in read_table(Path(__file__).parents[1] / "doctor/knowledge/asides.toml").tables(
        "aside"
    )
}
BEFORE = frozenset({"installed", "resolver", "retry", "token"})
"""What only what follows it shows to be over."""


def find_drowned(logs: Sequence[Judged], count: int, *, seed: int) -> Iterator[str]:
    """Yield what is told another cause since asides stand beside it.

    Args:
        logs: judged logs; those whose cause is not told alone are passed over.
        count: how many logs get an aside before and another behind them.
        seed: of the choice of logs and asides.
    """
    chance = random.Random(seed)  # noqa: S311 -- it only has to repeat
    for log in chance.sample(logs, min(count, len(logs))):
        first = chance.choice(sorted(ASIDES))
        last = chance.choice(sorted(set(ASIDES) - BEFORE))
        if not is_named(log, examine(log.text, entries())):
            continue
        text = f"{ASIDES[first]}{log.text.rstrip()}\n{ASIDES[last]}"
        found = examine(text, entries())
        if not is_named(log, found):
            said = found.cause.entry.id if found.cause else "nothing"
            yield f"{log.source} between {first} and {last}: {said}"
