"""A queue of five tiny models in a folder, and the processes that work through it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from sdcoreml.doctor.proving.miniature import write_miniature
from sdcoreml.doctor.queue.entry import Entry, Kind, State
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.queue.store import VARIABLE, Store
from sdcoreml.ground.digest import FileRecord, describe, named_below
from sdcoreml.ground.leftovers import TOKEN
from tests.doctor.commands.test_inspect import unpacked
from tests.kills import TOOL

OPTIONS: Sequence[Mapping[str, object]] = (
    {},
    {"bits": 8},
    {"bits": 6},
    {"clip-skip": 2},
    {"attention": "original"},
)
"""The options of the five models, which have some programs in common."""

ROOT = Path(__file__).resolve().parents[1]
_STAND_IN = f"""\
#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
if sys.argv[1] == "queue":
    from sdcoreml.doctor.queue.runner import Runner
    from sdcoreml.doctor.queue.store import open_queue
    Runner(store=open_queue(), program=(sys.executable, "-m", "tests.six_models")).run()
else:
    from sdcoreml.__main__ import main
    sys.exit(main())
"""
"""This tool, whose runner starts the stand-in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A folder with a model, a queue, a cache and a temporary folder.

    With `is_plain`, what writes programs is a stand-in, and the model suits that.
    """

    folder: Path
    toolchain: str = "light"
    is_plain: bool = False

    @property
    def store(self) -> Store:
        """The queue."""
        return Store(folder=self.folder / "queue")

    @property
    def tool(self) -> Path:
        """The command of this tool."""
        return self.folder / "bin" / "sdcoreml" if self.is_plain else TOOL

    def set_up(self) -> None:
        """Make it anew: nothing is there yet but the model and the queue of five."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "tmp").mkdir(parents=True)
        if self.is_plain:
            unpacked(self.folder)
            self.tool.parent.mkdir()
            self.tool.write_text(_STAND_IN)
            self.tool.chmod(0o755)
        else:
            write_miniature(self.folder / "model")
        model = {"model": str(self.folder / "model"), "size": "64x64"}
        for number, options in enumerate(OPTIONS):
            job = {"into": str(self.folder), "models": [{**model, "name": f"m{number}", **options}]}
            words = (f"--toolchain={self.toolchain}",)
            new = New(kind=Kind.CONVERT, title=f"m{number}", words=words, job=job, place=f"{ROOT}")
            self.store.add(new)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start this tool with these words, in a session of its own."""
        own = {"TMPDIR": "tmp", "SDCOREML_CACHE": "cache", VARIABLE: "queue"}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [os.fspath(self.tool), *words],
                cwd=ROOT,
                env={**os.environ, **{key: f"{self.folder / one}" for key, one in own.items()}},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def processes(self) -> Iterator[psutil.Process]:
        """Yield the processes that work for this queue."""
        for one in psutil.process_iter():
            with suppress(psutil.Error):
                is_ours = one.environ().get(VARIABLE) == f"{self.folder / 'queue'}"
                if is_ours and one.status() != psutil.STATUS_ZOMBIE:
                    yield one

    def with_word(self, word: str) -> list[psutil.Process]:
        """Return those that were started with a word: "jobs" does an entry, "queue" runs all."""
        found = []
        for one in self.processes():
            with suppress(psutil.Error):
                found += [one] if word in one.cmdline() else []
        return found

    def running(self) -> Entry | None:
        """Return the entry that is being done."""
        entries = self.store.read().entries
        return next((one for one in entries if one.state is State.RUNNING), None)

    def files(self) -> Mapping[str, FileRecord]:
        """Return the records of all results."""
        return describe(named_below(self.folder / "models"))

    def leftovers(self) -> list[str]:
        """Return what no finished run leaves."""
        hidden = [path for path in self.folder.rglob(".*") if TOKEN in path.name]
        places = [path for path in (self.folder / "tmp").rglob("*") if path.is_file()]
        return sorted(path.relative_to(self.folder).as_posix() for path in {*hidden, *places})
