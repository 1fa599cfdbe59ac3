"""What lines that tell of a failure contain: how much such a line decides goes by its words.

Tools other than Python print a line that begins in a way of their own.
"""

from __future__ import annotations

import re

from sdcoreml.doctor.knowledge.notices import is_softened

_OWN_ERROR = r"^\s*(?:[\w./+-]+: )*(?:ERROR|Error|error|error\[\w+\])(?:\s*\([^)]*\))?:\s"
_WORDS: tuple[tuple[str, ...], ...] = (
    (  # The system ended the process, or the process itself.
        r"(?:^|[\s:])(?i:killed|terminated)(?:: 9)?(?:\s|$)(?!by user)",
        r"\bSIG(?:KILL|SEGV|BUS|ILL|ABRT|TRAP)\b|OOMKilled|\bjetsam\b",
        r"(?i:trace trap|segmentation fault|bus error|abort trap|illegal (?:\w+ )?instruction)",
        r"Fatal error:|(?i:assertion failed|failed assertion)|panicked at|terminate called",
        r"Terminating app due to|stop reason = ",
        r"libc\+\+abi: terminating|(?<!\*)Exception (?:Type|Subtype|Message):|Termination Reason:",
        r"\bEXC_[A-Z]+_?[A-Z]+\b|^panic: ",
    ),
    # Builds ask git for a version, and go on without one.
    (r"(?:^|\s)(?:[\w.+-]+: )?(?:fatal|FATAL)(?: error)?:\s(?!not a git repository)",),
    (  # A tool's own error, but not what pip adds to it.
        _OWN_ERROR
        + r"(?!subprocess-exited|metadata-gen|.*Failed to build installable|.*dependency resolver)",
        r"^\s*CMake Error(?: at |:)",
        r"^\s*[x\u00d7] |^\[?ERROR\]?[ :]|Smudge error",
        # apt's, npm's and those of a service that builds
        r"(?:^|\s)E: (?=[A-Z])|^\s*p?npm (?:ERR!|error) |##\[error\](?!Process completed)",
    ),
    (  # A shell's or a program's, which begins with its name.
        (
            r"^[\w./~-]+(?: \(\w+\))?: "
            r"(?i:.*(?:not found|no such file|denied|not permitted|is a directory))"
        ),
        r"^[\w./~-]+(?:\([\w,]+\) \w+)?: .*(?:cannot|can't|invalid|unrecognized)",
        r"^(?:command not found|Unknown command|Unable to create process using)",
    ),
    (
        r"(?:^|\s)[\w./+-]+[Ee]rror(?:\s*\([^)]*\))?:|Error Domain=|\[error\]|\b\w+Error\(",
        r"^!!! Exception\b",  # ComfyUI's
        r"\w: (?:\w+\.)*[A-Z]\w+(?:Error|Exception)\s*$",  # its name alone, behind what failed
        r"^\s*[A-Z]\w+NotFound:",  # conda's own
        r"\b(?:CRITICAL|SEVERE|EMERG)\b|(?:^|\s)fatal: not a git repository",
    ),
    (r"(?i:\berror\b(?!s? (?:estimate|rate|bar|correct)))",),
    (
        r"(?i:\b(?:failed|failure|cannot|can't|could ?n[o']t|couldn't|unable to|not found)\b)",
        r"(?i:\b(?:denied|missing|mismatch|unsupported|invalid|corrupt(?:ed)?|unexpected)\b)",
        r"(?i:\b(?:expect(?:ed|s)|refused|timed out|exceed\w*|must be)\b)",
        r"(?i:\bno (?:such|matching|space)\b)",
        r"(?i:\b(?:required?s?|needed|newer than running|errored|quit unexpectedly|no matches)\b)",
        r"(?i:\b(?:fails|negative|duplicate key|unknown (?:flag|option|command))\b)",
        r"(?i:\b(?:may not be|doesn't|not in gzip|was detected|not empty)\b)",
        r"(?i:\bnot (?:supported|available|installed|readable|loaded|valid)\b|\b(?:has|have) no\b)",
        r"^(?:\w+\.)?[a-z]+(?:Missing|NotFound|Failed|Invalid|Unsupported)\(",  # Swift's enum cases
        r"(?i:\bundefined (?:symbol|reference)s?\b|\bno module\b|\bnothing provides\b)",
        r"\battempting to link with file built for\b|\brequired architecture '",
        # macOS, its linker and Swift
        r"\bbut linking in\b|\bno longer supported in\b|\bMISUSE:|\bneeds to update it\b",
        r"^source=\w",
        r"(?i:\bbut the range of supported\b|\b(?:does not|doesn't|is not)\b)",
        r"(?i:\b(?:crash\w*|problem|permission|restricted|conflict\w*|incompatible|unrecognized|disagree|stuck)\b)",
    ),
)
"""What lines that tell of a failure contain, those first that decide most."""

_ERRORS = tuple(re.compile("|".join(words)) for words in _WORDS)
IS_ERROR = 5
"""So many of the patterns tell of an error; those behind them only of something perhaps wrong."""


def weigh(text: str) -> int | None:
    """Return how much a line tells of an error, 0 the most; None if nothing."""
    if _OF_A_SHELL.match(text):
        return None
    for weight, pattern in enumerate(_ERRORS):
        if pattern.search(text):
            soft = is_softened(text)
            return max(weight, IS_ERROR + 2) if soft else weight
    return None


_OF_A_SHELL = re.compile(
    r"\s*\+ (?:CategoryInfo|FullyQualifiedErrorId)\b|At line:\d+ char:\d|\s*-+> +\d+ "
)
"""What PowerShell says of every failure alike, and the line of a program that a notebook marks."""


def may_tell(text: str) -> bool:
    """Return whether a line may tell of a failure: by words, a denial, or as a crash's frame."""
    return weigh(text) is not None or _DENIAL.search(text) is not None


_DENIAL = re.compile(r"(?i)\bnot\b|n't\b|\bno\b|^\s*(?:frame #|\d+\s)|\b0x[0-9a-f]{8}|\bKERN_\w")
