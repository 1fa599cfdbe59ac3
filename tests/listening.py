"""Takes the events of a piece of work, as lines that are the same on every machine."""

from __future__ import annotations

import re
from pathlib import Path

from sdcoreml.ground.events import Event


class Listener:
    """Takes events, and tells them without what another machine or minute has otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lines = folder, [""]

    def __call__(self, event: Event) -> None:
        if event.kind in ("labour", "plan"):  # of bytes, which depend on the length of paths
            return
        figures = f" {event.done}/{event.total} {event.unit}" if event.done or event.total else ""
        text = f"{event.kind} {event.text}{figures}".replace(str(self.folder), "FOLDER")
        self.lines.append(re.sub(r"[0-9.]+ ([kMG]?B|bytes)\b", r"N \1", text))

    def title(self, text: str) -> None:
        self.lines.append(f"# {text}")

    def whole(self) -> str:
        return "\n".join(self.lines)
