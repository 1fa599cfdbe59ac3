"""A conda prefix that a stand-in for the engine makes."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sdcoreml.envs.conda.engine import Archive
from sdcoreml.envs.conda.prefix import CondaBase, fetch, find_altered, neutralise_records
from sdcoreml.envs.pythons.interpreter import Choice, Interpreter
from sdcoreml.ground.errors import (
    BrokenError,
    InstallError,
    NoInterpreterError,
    SdcoremlError,
)
from sdcoreml.ground.events import Event, silent
from sdcoreml.lockfiles.conda import CondaLock, CondaPackage
from sdcoreml.lockfiles.target import TARGETS, LockTarget, host_target
from tests.lockfiles.test_conda import PYTHON, TZDATA

CONTENTS = {"python": b"p" * 1_000, "tzdata": b"t" * 500}
PACKAGES = tuple(
    replace(
        one, sha256=hashlib.sha256(CONTENTS[one.name]).hexdigest(), size=len(CONTENTS[one.name])
    )
    for one in (PYTHON, TZDATA)
)
LOCK = CondaLock(target=host_target(), python="3.10.10", packages=PACKAGES)
CHANNEL = "https://me:secret@mirror.invalid/t/token/conda-forge"
PUBLIC = "https://mirror.invalid/conda-forge"


@dataclass
class StandIn:
    """An engine that has the archives, and makes a prefix of one Python that says its version."""

    version: str = "3.10.10"
    contents: dict[str, bytes] = field(default_factory=lambda: dict(CONTENTS))
    asked: list[object] = field(default_factory=list)
    digest: str = ""

    def solve(
        self, channel: str, specs: Sequence[str], target: LockTarget, newest: str
    ) -> tuple[CondaPackage, ...]:
        raise NotImplementedError

    def download(self, files: Sequence[tuple[str, Path]], progress: Callable[[int], None]) -> None:
        self.asked.append([url for url, _ in files])
        for url, file in files:
            file.write_bytes(self.contents[url.rpartition("/")[2].partition("-")[0]])
            progress(file.stat().st_size)

    def link(
        self, archives: Iterable[Archive], folder: Path, final: Path, target: LockTarget
    ) -> None:
        self.asked.append(([one.file.read_bytes() for one in archives], folder, final, target))
        (folder / "bin").mkdir(parents=True)
        (folder / "conda-meta").mkdir()
        python = folder / "bin" / "python"
        said = [str(python), self.version, "CPython", sys.platform, platform.machine(), True]
        python.write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n" if self.version else "#!/x\n")
        python.chmod(0o755)
        record = {
            "name": "python",
            "version": "3.10.10",
            "build": "0",
            "subdir": "linux-64",
            "fn": "python-3.10.10-0.conda",
            "link": {"source": "/here"},
            "url": "/here",
            "paths_data": {"paths": [{"_path": "bin/python", "sha256": self.digest}]},
        }
        (folder / "conda-meta" / "python-3.10.10-0.json").write_text(json.dumps(record))


def base(root: Path, engine: StandIn, emit: Callable[[Event], None] = silent) -> CondaBase:
    return CondaBase(lock=LOCK, channel=CHANNEL, root=root, engine=lambda: engine, emit=emit)


def test_what_a_base_says_of_itself(tmp_path: Path) -> None:
    made = base(tmp_path, StandIn())
    assert (made.size, made.brings_sources) == (4 * 1_500, True)
    assert made.answering() == Path(sys.executable)
    assert made.identity() == ("conda", LOCK.digest)
    assert made.choice(Path("/envs/abc")) == Choice(
        interpreter=Interpreter(
            path=Path("/envs/abc/bin/python3.10"),
            version="3.10.10",
            implementation="CPython",
            target=host_target(),
            source="conda",
        ),
        drift=False,
    )
    fields = {"backend": "conda", "conda": LOCK.digest, "channel": PUBLIC}
    assert made.record_fields() == fields
    stated = replace(made, stated="https://a:b@other.invalid/x")
    assert stated.record_fields() == {**fields, "channel": "https://other.invalid/x"}


def test_a_prefix_is_made_of_its_archives(tmp_path: Path) -> None:
    engine, events = StandIn(), list[Event]()
    base(tmp_path, engine, events.append).create(tmp_path / "aside", Path("/final"))
    address = f"{CHANNEL}/"
    assert engine.asked == [
        [f"{address}{one.path}" for one in PACKAGES],
        (
            [b"p" * 1_000, b"t" * 500],
            tmp_path / "aside",
            Path("/final"),
            TARGETS[host_target()],
        ),
    ]
    assert events == [
        Event(kind="note", text=f"2 kB of conda packages to download from {address}"),
        Event(kind="progress", done=1_000, total=1_500, unit="bytes"),
        Event(kind="progress", done=500, total=1_500, unit="bytes"),
    ]
    record = tmp_path / "aside/conda-meta/python-3.10.10-0.json"
    said = json.loads(record.read_text())
    assert said["channel"] == f"{PUBLIC}/"
    assert said["url"] == f"{PUBLIC}/linux-64/python-3.10.10-0.conda"
    assert "link" not in said
    kept = sorted(path.name for path in (tmp_path / "packages").rglob("*") if path.is_file())
    assert kept == [one.file for one in sorted(PACKAGES, key=lambda one: one.file)]


@pytest.mark.parametrize(
    ("engine", "error", "said"),
    [
        (
            StandIn(version=""),
            BrokenError,
            f"{CHANNEL}: its Python 3.10.10 does not run; ",
        ),
        (
            StandIn(version="3.10.11"),
            NoInterpreterError,
            f"{CHANNEL}: Python 3.10.10 is unfit: it is 3.10.11; the toolchain accepts ==3.10.10; ",
        ),
    ],
)
def test_a_python_that_is_another_is_refused(
    tmp_path: Path, engine: StandIn, error: type[SdcoremlError], said: str
) -> None:
    with pytest.raises(error) as caught:
        base(tmp_path, engine).create(tmp_path / "aside", Path("/final"))
    another = "name another with --channel, and lock it with `sdcoreml env lock --conda`"
    assert str(caught.value) == f"{said}{another}"


def test_a_file_that_is_not_as_recorded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenError) as caught:
        base(tmp_path, StandIn(digest="0" * 64)).create(tmp_path / "aside", Path("/final"))
    assert str(caught.value) == f"{tmp_path}/aside: python: bin/python differs; run this again"


def test_only_what_is_lacking_is_downloaded_and_only_the_locked_is_kept(tmp_path: Path) -> None:
    engine = StandIn()
    fetch(LOCK, CHANNEL, tmp_path, engine, silent)
    first, second = fetch(LOCK, CHANNEL, tmp_path, engine, silent)
    assert len(engine.asked) == 1
    assert first == Archive(
        package=PACKAGES[0], file=tmp_path / PACKAGES[0].sha256[:16] / PACKAGES[0].file
    )
    second.file.write_bytes(b"other")
    fetch(LOCK, CHANNEL, tmp_path, engine, silent)
    assert engine.asked[1:] == [[f"{CHANNEL}/{PACKAGES[1].path}"]]
    second.file.unlink()
    engine.contents["tzdata"] = b"another"
    with pytest.raises(InstallError) as caught:
        fetch(LOCK, CHANNEL, tmp_path, engine, silent)
    assert str(caught.value) == (
        f"{CHANNEL}/{PACKAGES[1].path}: not the file that was locked;"
        " restore the lock with git, or give another --channel"
    )
    assert list(second.file.parent.iterdir()) == []


def test_a_channel_may_be_a_folder(tmp_path: Path) -> None:
    channel, events = tmp_path / "a channel", list[Event]()
    for one in PACKAGES:
        (channel / one.path).parent.mkdir(parents=True, exist_ok=True)
        (channel / one.path).write_bytes(CONTENTS[one.name])
    fetch(LOCK, channel.as_uri(), tmp_path / "packages", StandIn(), events.append)
    assert [event.done for event in events] == [0, 1_000, 1_500]
    (channel / PACKAGES[1].path).unlink()
    with pytest.raises(InstallError) as caught:
        fetch(LOCK, channel.as_uri(), tmp_path / "others", StandIn(), silent)
    gone = channel / PACKAGES[1].path
    assert str(caught.value) == f"{gone}: not there; give another --channel"


def test_a_link_that_leads_nowhere_is_no_missing_file(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "link").symlink_to("/gone")
    (tmp_path / "file").write_text("x")
    digest = hashlib.sha256(b"x").hexdigest()
    paths = [
        {"_path": "link", "path_type": "softlink"},
        {"_path": "gone"},
        {"_path": "file", "sha256": digest},
        {"_path": "file", "sha256": "0" * 64},
        {"_path": "file"},
    ]
    record = {"name": "a", "version": "1", "build": "0", "paths_data": {"paths": paths}}
    (tmp_path / "conda-meta/a.json").write_text(json.dumps({**record, "subdir": "x", "fn": "y"}))
    assert list(find_altered(tmp_path)) == ["a: gone is missing", "a: file differs"]
    neutralise_records(tmp_path, "c/")
    text = (tmp_path / "conda-meta/a.json").read_text()
    assert text.endswith("}\n")
    assert text.startswith('{\n  "build": "0",\n  "channel": "c/",\n  "fn": "y",\n  "name": "a",')
    assert (tmp_path / "conda-meta/a.json").stat().st_mode & 0o777 == 0o644
