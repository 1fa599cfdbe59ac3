"""Puts strangers in the place of what a log names, so that its cause is no longer what it was.

Whatever a wording says of a package, a program or a device that is known, it says of `frobnik`,
too; but of that nobody knows anything. Code of unknown packages may fail in the same words as code
of this field, for other reasons: only a full disk or a broken connection is the same anywhere.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.grounds import ANYWHERE, Ground
from sdcoreml.doctor.knowledge.names import names
from sdcoreml.doctor.knowledge.ranking import Match
from sdcoreml.doctor.knowledge.topics import FAMILIES
from sdcoreml.ground.names import normalise
from tests.bench.diagnose import Judged

STRANGERS = ("frobnik", "zwiebel_core", "quux.parts", "_plumbus", "GronkWidget")
NAMED = ("module", "package", "command", "device", "owner", "call")
"""The groups of patterns that capture names of things, not of places or versions."""


def find_confused(logs: Sequence[Judged], count: int, *, seed: int) -> Iterator[str]:
    """Yield what is said as surely as before though strangers have taken the places of its names.

    Args:
        logs: judged logs; those of which nothing is said as likely or certain are passed over.
        count: how many logs are changed, each in every way that applies to it.
        seed: of the choice of logs and strangers.
    """
    chance = random.Random(seed)  # noqa: S311 -- it only has to repeat
    for log in chance.sample(logs, min(count, len(logs))):
        cause = examine(log.text, entries()).cause
        if cause is None or cause.confidence is Confidence.GUESS:
            continue
        for change in CHANGES:
            changed = change(log.text, cause, chance)
            if changed != log.text and _is_still_sure(changed, cause):
                yield f"{change.__name__} {log.source}: {cause.entry.id}\n{changed}"


def _is_still_sure(text: str, before: Match) -> bool:
    return any(
        match.entry.id == before.entry.id
        and match.role is before.role
        and match.confidence is not Confidence.GUESS
        for match in examine(text, entries()).matches
    )


def rename_captured(text: str, cause: Match, chance: random.Random) -> str:
    """Rename all that the cause's pattern captured of names, wherever the log has them."""
    is_of_part = {"name"} if "asked" in cause.captured else set()
    for group in (*NAMED, *is_of_part):
        name = re.split(r"[=<>!~;@\[( ]", cause.captured.get(group, "").strip("'\"`"))[0]
        if name:
            text = _replace(text, name, chance.choice(STRANGERS))
    return _rename_packages(text, chance) if is_of_part else text


def rename_code(text: str, cause: Match, chance: random.Random) -> str:
    """Let the code that failed be of packages that nobody knows, in folders of theirs."""
    if cause.entry.topic not in {*FAMILIES} - ANYWHERE or not cause.grounds.get(Ground.CODE):
        return text
    return _rename_packages(text, chance)


def _rename_packages(text: str, chance: random.Random) -> str:
    """Rename the folders of known packages and apps."""
    known = {*names().toolchain, *names().field, *names().apps}
    parts = {
        part
        for part in re.findall(r"[\w.-]+(?=[/\\])", text)
        if {normalise(part), part.lower()} & known
    }
    for part in sorted(parts):
        text = _replace(text, part, chance.choice(STRANGERS).partition(".")[0])
    return text


def rename_devices(text: str, cause: Match, chance: random.Random) -> str:
    """Let it be about another device, in all lines that tell the cause."""
    if cause.entry.topic not in {*FAMILIES} - ANYWHERE:
        return text
    other = chance.choice(("vulkan", "gronk"))
    return "\n".join(
        _DEVICE.sub(lambda found: other.upper() if found[0].isupper() else other, line)
        if re.search(cause.entry.pattern, line)
        else line
        for line in text.split("\n")
    )


_DEVICE = re.compile(r"\b(?:mps|cuda|cpu)(?![\w-])", re.IGNORECASE)


def _replace(text: str, name: str, other: str) -> str:
    return re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", lambda _: other, text)


CHANGES: tuple[Callable[[str, Match, random.Random], str], ...] = (
    rename_captured,
    rename_code,
    rename_devices,
)
