"""Reads the frames of a traceback: the files that an exception passed through, and their owners."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_FRAME = re.compile(
    r"""\s*(?:File\ ["<](?P<file>[^">]+)[">],?\ (?:line\ \d+(?:,\ in\ )?|in\ )
    |(?P<rich>[~/.\w][^:]*\.py)?:\d+\ in(?:\ (?=[\w<])|\s*$)
    |(?P<notebook>(?:[~/]|[A-Z]:)\S*\.py)\ in\ (?=\w)|File\ (?P<cell>\S+\.py):\d+,\ in[ ]
    |(?P<cut>[^\s"]+\.py)",\ line\ \d+,\ in[ ])
    (?P<function><?[\w.]+>?)?""",
    re.VERBOSE,
)
"""A frame as Python, rich and notebooks print it, and one whose beginning was cut off."""

_PACKAGE = re.compile(
    r"(?:site|dist)-packages[/\\](?P<name>\w+)"
    r"|(?:^|[/\\])(?P<bare>diffusers|transformers|coremltools|huggingface_hub|accelerate|safetensors|peft)"
    r"[/\\](?!scripts|examples|src|tests)\w+[/\\.]"
)
"""The package that a file belongs to; packed programs and clones have no such folder."""

_LIBRARY = re.compile(
    r"[/\\][Pp]ython[\d.]*[/\\](?!.*(?:scripts|examples))|^<|^(?:importlib|runpy)\b"
)


def is_frame(text: str) -> bool:
    """Return whether a line names a frame of a traceback."""
    return _FRAME.match(text) is not None


@dataclass(slots=True, kw_only=True)
class Passed:
    """What an exception passed through; `steps` are the paths and functions, the outermost first.

    `packages` are those whose code it passed through; `code` is what the last frame of no library
    belongs to, a package or a script's file name; `file` is the last frame's file.
    """

    steps: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    code: str = ""
    file: str = ""

    def enter(self, text: str) -> None:
        """Add the frame that a line names."""
        frame = _FRAME.match(text)
        if frame is None:
            return
        groups = frame.groupdict()
        function = groups.pop("function") or ""
        path = next((name for name in groups.values() if name), "")
        self.steps.append(f"{path} {function}")
        self.file = re.split(r"[/\\]", path)[-1]
        if found := tuple(_PACKAGE.finditer(path)):
            self.code = found[-1]["name"] or found[-1]["bare"]
            self.packages.append(self.code)
        elif not _LIBRARY.search(path):
            self.code = self.file
