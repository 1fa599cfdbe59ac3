"""A route as a value: what is asked, what answers it, and what it may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sdcoreml.doctor.studio.asking import SMALL, Ask
from sdcoreml.doctor.studio.desk import Name
from sdcoreml.doctor.studio.running import Studio

Answer = Mapping[str, object]
"""An object of JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An answer that is no JSON; with a `policy`, the browser keeps to that one."""

    content: bytes
    media_type: str
    policy: str = ""


Work = Callable[[Studio, Ask], "Answer | Media"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A route: its method and path, what it does, and the most bytes that its body may have.

    It waits for others that the same `hand` does, and for nothing else. What `changes` the queue is
    told to all pages at once.
    """

    method: str
    path: str
    work: Work
    hand: Name = "quick"
    changes: bool = False
    most: int = SMALL
