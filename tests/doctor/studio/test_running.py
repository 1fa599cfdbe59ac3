"""What a studio is made of, and what belongs to its start and its end."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.doctor.core.facts import Absent, Memory
from sdcoreml.doctor.gather import Gathered, Request
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.doctor.studio.refusals import ConflictError
from sdcoreml.doctor.studio.running import machine
from tests.doctor.healthy import HEALTHY, SYSTEM
from tests.doctor.studio.open_studio import Opened, add, open_studio


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with open_studio(tmp_path) as studio:
        yield studio


def test_its_folder_is_below_the_queue_s_and_results_are_where_the_bench_says(
    opened: Opened, tmp_path: Path
) -> None:
    studio = opened.studio
    assert studio.folder == tmp_path / "queue" / "studio"
    assert studio.drops.folder == studio.folder / "drops"
    assert studio.into == tmp_path / "results"
    assert (studio.toolchain, studio.lineup.toolchain) == ("tested", "tested")


def test_a_dropped_file_is_whole_before_it_is_used(opened: Opened) -> None:
    drop = opened.studio.drops.begin("m.safetensors", 100, (2).to_bytes(4, "little") + b"{}")
    path = opened.studio.drops.file(drop, 0)
    sent = {"handle": opened.sign(path)}
    assert opened.studio.file_of(sent) == path
    with pytest.raises(ConflictError):
        opened.studio.whole_file_of(sent)
    own = {"handle": opened.sign(Path("/m.safetensors"))}
    assert opened.studio.whole_file_of(own) == Path("/m.safetensors")


def old(path: Path, hours: float) -> Path:
    then = time.time() - hours * 3_600
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (then, then))
    return path


def test_at_a_start_what_nobody_needs_is_removed(opened: Opened) -> None:
    studio = opened.studio
    kept, gone = ("a" * 32, "b" * 32)
    for name in (kept, gone):
        old(studio.folder / "pictures" / f"{name}.png", 48)
    add(opened, output=f"{kept}.png")
    half = studio.drops.begin("m.safetensors", 100, (2).to_bytes(4, "little") + b"{}")
    studio.sweep()
    assert [path.name for path in (studio.folder / "pictures").iterdir()] == [f"{kept}.png"]
    assert studio.drops.find(half.id) == half
    for path in studio.drops.folder.glob(f"{half.id}*"):
        os.utime(path, (time.time() - 3_700,) * 2)
    studio.sweep()
    assert not list(studio.drops.folder.glob(f"{half.id}*"))


class Closed:
    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_at_the_end_threads_and_models_are_put_away(opened: Opened) -> None:
    desk, bench = Closed(), Closed()
    replace(opened.studio, desk=desk, bench=bench).close()  # type: ignore[arg-type]
    assert (desk.is_closed, bench.is_closed) == (True, True)


UNKNOWN = Absent(reason="not looked at")


@pytest.mark.parametrize(
    ("system", "memory", "said"),
    [
        ({"processor": "Apple M2"}, 16 << 30, ("macOS 14.5", "macOS", "Apple M2", 16 << 30, True)),
        ({"name": "Linux", "version": "6.1"}, None, ("Linux 6.1", "Linux", "arm64", None, False)),
        (None, None, (None, None, None, None, False)),
    ],
)
def test_a_machine_is_named_as_far_as_it_is_known(
    system: dict[str, str] | None,
    memory: int | None,
    said: tuple[object, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mac: dict[str, Any] = {"name": "macOS", "version": "14.5", "machine": "arm64", "processor": ""}
    facts = replace(
        HEALTHY,
        system=UNKNOWN if system is None else replace(SYSTEM, **{**mac, **system}),
        memory=UNKNOWN
        if memory is None
        else Memory(total=memory, available=1, swap_total=0, swap_free=0),
    )

    def gather(request: Request, probe: Probe) -> Gathered:
        assert (request.groups, probe.system) == (("system", "memory"), platform.system())
        return Gathered(facts=facts, costs={}, seconds=0)

    monkeypatch.setattr("sdcoreml.doctor.studio.running.gather", gather)
    assert tuple(machine().values()) == said
    assert [*machine()] == ["system", "name", "chip", "memory", "is_mac"]
