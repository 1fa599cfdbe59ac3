"""Tells lines that never say why: notices, summaries, prompts, bars, frames and headers."""

from __future__ import annotations

import re

from sdcoreml.doctor.knowledge.sections import is_prompt

_NOTICES = (
    r"\s*\[?notice\]?[ :]|\s*(?:hint|note|tip|help|remark):|\s*= (?:note|help):",
    r".*\b(?:using pip version|should consider upgrading|leaked (?:semaphore|shared_memory))\b",
    r"\s*warnings\.warn\(|\s*[Ff]or more (?:information|details|help)\b",
    r"\s*See (?:also|above|below)\b|\s*(?:Read|See) more (?:at|about)\b|\s*https?://\S+$",
    r"\s*(?:[Ee]rrors|[Rr]esults) logged to\b|\s*Use `[^`]*` to\b|\s*[Aa] complete log\b",
)
_SUMMARIES = (
    r"\s*g?make(?:\[\d+\])?: (?:\*\*\*|Entering|Leaving)|\s*\[end of output\]",
    r".*exit (?:code|status):? \d+\.?$|.*\bexited with (?:code|status)\b",
    r"\s*\d+ (?:errors?|warnings?)(?: and \d+ (?:errors?|warnings?))? generated",
    r".*[Pp]rocess completed\b|\s*Press any key\b|\s*Post job\b|\s*##\[",
    r".*\bexiting now\b|\s*ninja: build stopped|\s*\*\* \w+ FAILED \*\*|\s*\(\d+ failures?\)",
    r"\s*Status Legend:|\s*\(OK\):download completed\.",
    r"\s*Node\.js v\d|\s*(?:logout|exit|good ?bye|bye|done)[.!]?\s*$",
)
_BARS = (
    r".*\d%\s*[|\u2588\u258f\u2501\[#=(]|.*\d+/\d+ \[|[\s#=>.\-\u2501\u2588|/\\*+~^_]*$",
    r"\s*% Total\b|\s*Dload\b|\s*\d+ +[\d.]+[kMG]? +\d|.*\b(?:it/s|s/it|[kMG]i?B/s)\b",
)
_FRAMES = (
    r'\s*File ["<]|\s*(?:\w*\s)?Traceback\b|\s*at \S+.*[:(]|\s*At line:\d|\s*\+ ',
    r"\s*[\u2570\u2514]\u2500> \[\d+ lines? of output\]|\s*(?:Call [Ss]tack|Stack trace)\b",
    r"\s*Require stack\b|\s*--> |\s*\d*\s*\|\s|\s*[}\])]+,?$",
)
_NOISE = re.compile("|".join((*_NOTICES, *_SUMMARIES, *_BARS, *_FRAMES)))


def is_noise(text: str) -> bool:
    """Return whether a line never says why a program failed."""
    return _NOISE.match(text) is not None or is_prompt(text)
