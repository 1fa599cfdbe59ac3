"""The harness finds every kind of fault, and repeats an input given only its number."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from sdcoreml.ground.places import ROOT
from tests.fuzz import judge
from tests.fuzz.blocks import Mutation
from tests.fuzz.campaign import Campaign, Result, attempt, schedule
from tests.fuzz.inputs import folder, write_input
from tests.fuzz.judge import Kind
from tests.fuzz.observe import Grounds, observe, prepare
from tests.fuzz.places import PLACES, PlaceMutation
from tests.fuzz.readers import READERS
from tests.fuzz.spoil import KINDS, candidates, spoil


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311  chance that can be repeated


def seen_of(command: Callable[[], int], place: Path) -> list[tuple[Kind, str]]:
    prepare(place / "root")
    (place / "root" / "work" / "given").write_text("given")
    (place / "spool").mkdir()
    seen = observe(lambda _: command(), (), Grounds(root=place / "root"), place / "spool")
    return list(judge.faults(seen, frozenset({"work/made"})))


def fine() -> int:
    Path("made").write_text("a result")
    return 0


def refuse() -> int:
    sys.stderr.write("error: given: is damaged; bring it again\n")
    return 3


def die() -> int:
    raise ZeroDivisionError("1/0")


def report() -> int:
    sys.stderr.write("error: this is a bug of sdcoreml: KeyError\n")
    return 70


def say_twice() -> int:
    sys.stderr.write("error: one\nerror: two\n")
    return 3


def say_nothing() -> int:
    return 3


def leave() -> int:
    Path("made").write_text("half of it")
    return refuse()


def leave_temporary() -> int:
    (Path(os.environ["TMPDIR"]) / "x").mkdir()
    return 0


def change() -> int:
    Path("given").write_text("taken")
    return 0


def touch() -> int:
    os.utime("given", (1, 1))
    return 0


def take_memory() -> int:
    return len(os.urandom(1) * (540 << 20)) & 0


def kill() -> int:
    os.kill(os.getpid(), 9)
    return 0


def start_child() -> int:
    if os.fork() == 0:
        time.sleep(60)
    return 0


@pytest.mark.parametrize(
    ("command", "kinds"),
    [
        (fine, []),
        (refuse, []),
        (die, [Kind.TRACEBACK]),
        (report, [Kind.TRACEBACK]),
        (say_twice, [Kind.LINES]),
        (say_nothing, [Kind.LINES]),
        (leave, [Kind.LEFT]),
        (leave_temporary, [Kind.LEFT]),
        (change, [Kind.CHANGED]),
        (touch, [Kind.CHANGED]),
        (take_memory, [Kind.MEMORY]),
        (kill, [Kind.CODE]),
        (start_child, [Kind.CODE]),
    ],
)
def test_every_kind_of_fault_is_seen(
    command: Callable[[], int], kinds: list[Kind], tmp_path: Path
) -> None:
    assert [kind for kind, _ in seen_of(command, tmp_path)] == kinds


def test_the_same_seed_makes_the_same_input(tmp_path: Path) -> None:
    def spoilt(name: str, seed: int) -> tuple[str, dict[Path, bytes]]:
        root = write_input(folder, tmp_path / name)
        done, _ = spoil(root, ("work/model/**/*.json",), seeded(seed))
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return done, {path.relative_to(root): path.read_bytes() for path in files}

    first = [spoilt(f"a{seed}", seed) for seed in range(8)]
    assert first == [spoilt(f"b{seed}", seed) for seed in range(8)]
    assert len({done for done, _ in first}) == 8


@pytest.mark.parametrize("mutation", dict.fromkeys(m for _, ms in KINDS for m in ms))
def test_a_mutation_takes_any_content(mutation: Mutation) -> None:
    for content in (b"", b"{", b"\x80\x02}.", b'{"a": [1, {"b": null}]}', bytes(64), b"PK\x03\x04"):
        for seed in range(20):
            mutation(content, seeded(seed))


@pytest.mark.parametrize("mutation", dict.fromkeys(PLACES))
def test_a_path_is_changed_where_it_is(mutation: PlaceMutation, tmp_path: Path) -> None:
    for number, is_file in enumerate((True, False)):
        root = write_input(folder, tmp_path / f"{number}")
        paths = [p for p in candidates(root, ("work/model/*",)) if p.is_file() is is_file]
        mutation(paths[0], seeded(1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


def test_a_fault_is_kept_and_can_be_repeated(tmp_path: Path) -> None:
    inputs = {"sd1": write_input(folder, tmp_path / "sd1")}
    campaign = Campaign(seed=7, count=1, only=0, keep=tmp_path / "kept")
    campaign.keep.mkdir()
    reader = next(reader for reader in READERS if reader.name == "clean")

    def again() -> Result:
        return attempt(campaign, reader, 0, inputs, tmp_path)

    assert again().mutation == again().mutation
    assert (tmp_path / "kept" / "7-clean-0" / "said.json").is_file()
    assert (tmp_path / "kept" / "7-clean-0" / "work" / "model").is_dir()


def test_every_reader_gets_its_share() -> None:
    wanted = [reader.name for reader, _ in schedule(READERS, 2 * sum(r.share for r in READERS))]
    assert {reader.name: 2 * reader.share for reader in READERS} == {
        reader.name: wanted.count(reader.name) for reader in READERS
    }


def test_a_short_run_finds_nothing() -> None:
    """Only a few inputs; for a long run, see `python -m tests.fuzz --count 10000`."""
    names = ("inspect", "weights", "compile", "diagnose")
    words = [word for name in names for word in ("--reader", name)]
    command = (
        sys.executable,
        "-m",
        "tests.fuzz",
        "--seed",
        "1",
        "--count",
        "58",
        "--quick",
        *words,
    )
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
