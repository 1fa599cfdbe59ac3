"""What the studio is while it runs: its folder, the queue, and who does what is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.doctor.core.facts import Memory, System
from sdcoreml.doctor.gather import Request, gather
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.doctor.queue.store import Store
from sdcoreml.doctor.studio.bench import Bench
from sdcoreml.doctor.studio.desk import Desk
from sdcoreml.doctor.studio.drop import FOLDER, HOUR, Drops
from sdcoreml.doctor.studio.handles import Signer
from sdcoreml.doctor.studio.keeper import Keeper
from sdcoreml.doctor.studio.lineup import PICTURES, Lineup, is_named, sweep_pictures
from sdcoreml.doctor.studio.tickets import Tickets

NAME = "studio"
"""The name of the studio's folder, in that of the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """What every route works with.

    `folder` is the studio's own, below that of the queue; `bench` keeps models open; `launch`
    starts another program, such as the one that shows a folder.
    """

    folder: Path
    signer: Signer
    store: Store
    lineup: Lineup
    drops: Drops
    launch: Callable[[tuple[str, ...]], None]
    bench: Bench
    desk: Desk = field(default_factory=Desk)
    tickets: Tickets = field(default_factory=Tickets)

    @property
    def into(self) -> Path:
        """Where folders are made: in `models/` and `controlnet/` of it."""
        return self.bench.into

    @property
    def toolchain(self) -> str:
        """The name of the toolchain that converts."""
        return self.bench.toolchain

    def file_of(self, sent: Mapping[str, object]) -> Path:
        """Return the path of a file that the page names by its handle.

        Raises:
            StrangerError: this server did not give the handle.
        """
        return self.signer.resolve(sent.get("handle"))

    def whole_file_of(self, sent: Mapping[str, object]) -> Path:
        """Return it like `file_of`, if all of it is on the disk.

        Raises:
            ConflictError: it was dropped, and is not sent yet.
        """
        path = self.file_of(sent)
        self.drops.require_whole(path)
        return path

    def sweep(self) -> None:
        """At a start, remove dropped files and pictures that nobody needs any more."""
        self.drops.sweep(unfinished=HOUR)
        sweep_pictures(self.store, self.folder / PICTURES)

    def close(self) -> None:
        """Put away what is open."""
        self.desk.close()
        self.bench.close()


def make_studio(
    store: Store,
    key: bytes,
    bench: Bench,
    *,
    start: Callable[[], None],
    launch: Callable[[tuple[str, ...]], None],
) -> Studio:
    """Return a studio of a queue; `start` starts the queue's runner, `launch` any program."""
    signer, folder = Signer(key=key), store.folder / NAME
    return Studio(
        folder=folder,
        signer=signer,
        store=store,
        lineup=Lineup(
            store=store,
            signer=signer,
            keeper=Keeper(store=store, start=start),
            toolchain=bench.toolchain,
        ),
        drops=Drops(folder=folder / FOLDER, is_used=lambda number: is_named(store, number)),
        bench=bench,
        launch=launch,
    )


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
