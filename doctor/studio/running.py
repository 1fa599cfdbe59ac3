"""What the studio is while it runs: its folder, its signer, and the facts of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN
from sdcoreml.doctor.core.facts import Memory, System
from sdcoreml.doctor.gather import Request, gather
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.doctor.studio.desk import Desk
from sdcoreml.doctor.studio.handles import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """What every route works with; `folder` is the studio's own, below that of the queue."""

    folder: Path
    signer: Signer
    toolchain: str = DEFAULT_TOOLCHAIN
    desk: Desk = field(default_factory=Desk)


def machine() -> Mapping[str, object]:
    """Return what this machine is: its system, processor, and memory in bytes."""
    facts = gather(Request(groups=("system", "memory")), Probe()).facts
    system = facts.system if isinstance(facts.system, System) else None
    return {
        "system": f"{system.name} {system.version}" if system else None,
        "name": system.name if system else None,
        "chip": (system.processor or system.machine) if system else None,
        "memory": facts.memory.total if isinstance(facts.memory, Memory) else None,
        "is_mac": bool(system and system.name == "macOS"),
    }
