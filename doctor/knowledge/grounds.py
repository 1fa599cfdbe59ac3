"""Says how sure a cause is by what speaks for it in the log: one ground alone proves nothing.

What speaks against an entry in one way makes it a guess, whatever speaks for it in others. Measured
on what public failures were told at first sight: wordings that had always been right were wrong
where what they named was another thing than they took it for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from sdcoreml.doctor.knowledge import Confidence, Failure
from sdcoreml.doctor.knowledge.topics import FAMILIES
from sdcoreml.doctor.knowledge.words import find_literals, find_marks, find_words, is_familiar

PROVEN = 2
"""So many judged logs show what a wording means: one that it was made from, and one it was not."""

MANY = 5
RIGHT = 4
"""A wording tells its cause where so many times more judged logs had it than had another."""


class Ground(Enum):
    """What can speak for a cause, or against it."""

    WORDING = "judged logs with this wording had this cause, and next to none another"
    RECORD = "many had it, and none another"
    WORDS = "the line says nothing that theirs did not say"
    MARKS = "the line names no exception and no server's answer that theirs did not name"
    PLACE = "the line that decides says it"
    NAME = "what it names is what it is taken for"
    CODE = "the code that failed is of this field"
    VERSION = "the versions are those that fail"


NEEDED: Mapping[Confidence, int] = {
    Confidence.CERTAIN: 3,
    Confidence.LIKELY: 2,
    Confidence.GUESS: 0,
}
"""So many grounds have to speak for a cause, and none against it.

Of 737 judged logs, each read without the entries that name its cause, 45 are told another as likely
(most of them a more general one, which is not wrong); were three grounds needed, 39 would be.
"""

ANYWHERE = frozenset(
    {
        *("family_machine", "family_downloads", "family_installs", "family_python"),
        *("family_crashes", "family_apple", "family_skew"),
        *("family_webui", "family_comfy", "family_invoke", "family_trainers"),
        *("family_nodes", "family_fronts", "family_sdcpp"),
        *("family_extensions", "family_training_data", "family_apps"),
        *("family_xcode", "family_macs", "family_coreml"),
        *(
            "family_translating",
            "family_converting",
            "family_swift",
            "family_upstream",
            "family_mps",
        ),
        *("family_builds", "family_advice", "family_pairs", "family_training"),
        *("family_access", "family_commands", "family_devices"),
        *("family_system", "family_tools", "family_resolvers"),
        *("family_git", "family_containers", "family_pip", "family_shell", "family_split"),
        *("family_libraries", "family_cuda", "family_sources", "family_typing"),
        *("family_managers", "family_builtins", "family_spaces", "family_children"),
        *(
            "family_starts",
            "family_given",
            "family_unpickled",
            "family_toolchains",
            "family_interpreters",
            "family_packaging",
            "family_poetry",
        ),
        *("family_faults", "family_leftovers", "family_panels"),
    }
)
"""The families whose causes are the same in any program, or are about packages that they name.

A full disk asks nobody what wrote to it.
"""


def weigh(grounds: Mapping[Ground, bool | None], most: Confidence) -> Confidence:
    """Return how sure a cause is, at most `most`.

    Args:
        grounds: whether each speaks for the cause (True), against it (False), or not at all (None).
        most: how sure the entry is at best, in this log.
    """
    if False in grounds.values():
        return Confidence.GUESS
    count = sum(speaks is True for speaks in grounds.values())
    surest = next(sure for sure, needed in NEEDED.items() if count >= needed)
    return max(most, surest, key=list(Confidence).index)


def weigh_wording(entry: Failure, wording: int, line: str) -> Mapping[Ground, bool | None]:
    """Return what the judged logs say of a wording (its number), and of the line that has it."""
    if entry.evidence is None:
        return {Ground.WORDING: True, Ground.RECORD: True, Ground.WORDS: True}
    evidence = entry.evidence()
    # What is known of a single failure was made from a log that is not among the judged ones.
    is_taught = entry.is_documented or entry.topic not in FAMILIES
    named = _count(evidence.named, wording) + is_taught
    mistaken = _count(evidence.mistaken, wording)
    is_proven = named >= PROVEN or is_taught
    return {
        Ground.WORDING: False if named < RIGHT * mistaken else is_proven or None,
        Ground.RECORD: ((named >= MANY or entry.is_documented) and not mistaken) or None,
        Ground.WORDS: is_familiar(line, evidence.words)
        or (_says_much(entry, line) or None if is_taught else False),
        # Alone it proves nothing: most lines name none.
        Ground.MARKS: None if is_taught or find_marks(line) <= evidence.marks else False,
    }


def _says_much(entry: Failure, line: str) -> bool:
    return len(find_words(line) & find_literals(entry.pattern)) >= MUCH


MUCH = 3
"""A line with so many of a pattern's own words is hardly another program's by chance."""


def _count(counts: Sequence[int], wording: int) -> int:
    return counts[wording] if wording < len(counts) else 0
