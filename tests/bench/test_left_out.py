from __future__ import annotations

from tests.bench.diagnose import Judged
from tests.bench.left_out import find_akin, find_misled, is_akin

FULL = Judged(
    source="a",
    text="OSError: [Errno 28] No space left on device",
    causes=("disk-full", "family-disk-full"),
)
KILLED = Judged(source="b", text="zsh: killed     python convert.py", causes=("frob",))


def test_what_is_said_of_a_log_without_its_entries_is_found() -> None:
    (log, cause), *others = find_misled([FULL, KILLED])
    assert (log, cause.entry.id, others) == (KILLED, "oom-killed", [])


def test_what_judges_took_for_the_same_is_akin() -> None:
    akin = find_akin([FULL, KILLED, Judged(source="c", text="", causes=("frob", "oom-killed"))])
    assert akin["disk-full"] == {"disk-full", "family-disk-full"}
    ((log, cause),) = find_misled([KILLED])
    assert is_akin(log, cause, akin)
    assert not is_akin(log, cause, find_akin([KILLED]))
