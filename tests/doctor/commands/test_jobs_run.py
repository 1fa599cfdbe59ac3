from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.worker import Outcome
from sdcoreml.doctor.commands.jobs import results_as_data
from sdcoreml.doctor.commands.jobs_batch import Batch, Opener, open_batches
from sdcoreml.doctor.commands.jobs_file import read_job_file
from sdcoreml.doctor.commands.jobs_run import (
    Result,
    Run,
    State,
    as_data,
    choose_left,
    expected_of,
    names_left,
    table,
)
from sdcoreml.doctor.core.facts import Goal
from sdcoreml.doctor.core.overall import Scarce, Shortage
from sdcoreml.ground.aside import sole_maker
from sdcoreml.ground.digest import describe, named_below
from sdcoreml.ground.errors import NoRoomError, ParityError, SdcoremlError, WorkerError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.convert.loading.stand_ins import MAC, CoreML
from tests.convert.stand_ins import MADE_IN, StandIn
from tests.doctor.commands.test_inspect import unpacked
from tests.schemas import read_as

SIZE = Dimensions(batch=2, height=8, width=8, features=32, tokens=77)
TWO = """
[[models]]
model = "model"
size = "64x64"
bits = [false, 4]
"""


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as settled at once, however new they are."""
    monkeypatch.setattr("sdcoreml.convert.cache.digests._SETTLED", -(10**10))


class Fickle:
    """A runner that counts what it builds, and fails to build or check packages of some folders."""

    def __init__(self, size: Dimensions, failing: str = "", task: str = "build") -> None:
        self.inner, self.failing, self.task = StandIn(size=size), failing, task

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        if task == self.task and self.failing and self.failing in str(request):
            raise ParityError("computes wrong numbers", where="unet", remedy="report it")
        return self.inner.run(task, request, emit)

    @property
    def built(self) -> list[str]:
        return [
            one["component"]
            for task, request in self.inner.requests
            if task == "build"
            for made in request["components"]
            for one in made["programs"]
        ]


class Shelf:
    """A folder with a model, a job file and a cache, and what a run of it said and built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = Fickle(SIZE)
        self.told: list[Event] = []
        self.waits: list[float] = []

    def run(self, text: str, failing: str = "", **more: Any) -> list[tuple[str, str]]:
        """Run a job file; return the state and the name of each folder."""
        self.results = self.results_of(text, failing, **more)
        read_as("jobs", json.dumps(results_as_data(self.results)))
        return [(one.state.value, Path(one.folder or one.model).name) for one in self.results]

    def results_of(
        self, text: str, failing: str, task: str = "build", left: Sequence[str] = (), **more: Any
    ) -> tuple[Result, ...]:
        (self.folder / "jobs.toml").write_text(text)
        file = read_job_file(self.folder / "jobs.toml")
        self.runner = Fickle(SIZE, failing, task)
        cache = Cache(folder=self.folder / "cache", emit=self.told.append)
        shop = Workshop(runner=self.runner, toolchain=MADE_IN, cache=cache)
        with ExitStack() as stack:
            opener = Opener(into=file.into, run={"toolchain": "tested"}, stack=stack)
            usual: dict[str, Any] = {"require_able": lambda _: None, "pause": self.waits.append}
            run = Run(
                shop=shop,
                opener=opener,
                toolchain=load_toolchain("tested"),
                emit=self.told.append,
                **{**usual, **more},
            )
            batches = open_batches(file, opener)
            return run.make(choose_left(batches, left) if left else batches)

    def files(self) -> Mapping[str, object]:
        return describe(named_below(self.folder / "models"))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    unpacked(tmp_path)
    return Shelf(tmp_path)


PLAIN, SMALL = "model-split-einsum_64x64", "model-split-einsum-4-bit_64x64"


def test_a_second_run_has_nothing_to_do(shelf: Shelf) -> None:
    assert shelf.run(TWO) == [("done", PLAIN), ("done", SMALL)]
    assert shelf.runner.built == [
        *("text_encoder", "unet", "vae_decoder", "vae_encoder"),
        *("text_encoder", "unet"),
    ]
    before = shelf.files()
    assert shelf.run(TWO) == [("reused", PLAIN), ("reused", SMALL)]
    assert shelf.runner.built == []
    assert shelf.files() == before


def test_a_run_goes_on_where_another_ended_with_the_same_bytes(shelf: Shelf) -> None:
    shelf.run(TWO)
    whole = shelf.files()
    shutil.rmtree(shelf.folder / "models" / SMALL)
    assert shelf.run(TWO) == [("reused", PLAIN), ("done", SMALL)]
    assert shelf.runner.built == []  # its programs are in the cache
    assert shelf.files() == whole


def test_a_damaged_folder_is_made_again(shelf: Shelf) -> None:
    shelf.run(TWO)
    whole = shelf.files()
    (shelf.folder / "models" / PLAIN / "vocab.json").write_text("{}")
    assert shelf.run(TWO) == [("done", PLAIN), ("reused", SMALL)]
    assert shelf.runner.built == []
    assert shelf.files() == whole


def test_another_tokenizer_of_the_model_counts(shelf: Shelf) -> None:
    shelf.run(TWO)
    merges = shelf.folder / "model" / "tokenizer" / "merges.txt"
    fewer = merges.read_text().rstrip("\n").rpartition("\n")[0] + "\n"
    merges.write_text(fewer)
    assert shelf.run(TWO) == [("done", PLAIN), ("done", SMALL)]
    for folder in (PLAIN, SMALL):
        assert (shelf.folder / "models" / folder / "merges.txt").read_text() == fewer


def test_another_tokenizer_beside_a_single_file_counts(shelf: Shelf) -> None:
    text = '[[models]]\nmodel = "m.safetensors"\ntokenizer = "WORDS"\nsize = "64x64"\n'
    (made,) = shelf.results_of(text.replace("WORDS", "tokenizer"), "")
    other = shelf.folder / "other"
    shutil.copytree(shelf.folder / "tokenizer", other)
    merges = (other / "merges.txt").read_text().rstrip("\n").rpartition("\n")[0] + "\n"
    (other / "merges.txt").write_text(merges)
    for words, state in (("tokenizer", "reused"), ("other", "done"), ("tokenizer", "done")):
        ((found, _),) = shelf.run(text.replace("WORDS", words))
        assert (words, found) == (words, state)
    assert (Path(made.folder) / "merges.txt").read_text() != merges


def test_a_cache_that_cannot_be_written_stops_no_run(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sdcoreml.convert.cache.digests.Digests._append", full)
    text = '[[models]]\nmodel = "m.safetensors"\ntokenizer = "tokenizer"\nsize = "64x64"\n'
    assert [state for state, _ in shelf.run(text + TWO)] == ["done", "done", "done"]


def test_one_failing_model_stops_no_other(shelf: Shelf) -> None:
    text = TWO + '[[models]]\nmodel = "absent.ckpt"\n[[models]]\nmodel = "model"\nname = "last"\n'
    assert shelf.run(text.replace('"64x64"', '["64x64"]'), failing="'bits': 4") == [
        ("done", PLAIN),
        ("failed", SMALL),
        ("failed", "absent.ckpt"),
        ("done", "last-split-einsum_512x512"),
    ]
    assert shelf.results[1].because == "unet: computes wrong numbers; report it"
    assert "no such file" in shelf.results[2].because
    assert [one.exit_code for one in shelf.results][:3] == [0, 6, 3]


def test_folders_of_one_conversion_fail_one_by_one(shelf: Shelf) -> None:
    text = '[[models]]\nmodel = "model"\nsize = ["64x64", "128x128"]\n'
    other = "model-split-einsum_128x128"
    assert shelf.run(text, failing="'height': 16") == [("done", PLAIN), ("failed", other)]
    assert shelf.run(text) == [("reused", PLAIN), ("done", other)]


def test_what_was_finished_before_another_failed_counts_as_made_now(shelf: Shelf) -> None:
    text = '[[models]]\nmodel = "model"\nsize = ["64x64", "128x128"]\n'
    other = "model-split-einsum_128x128"
    told = shelf.run(text, failing="_128x128", task="check")
    assert told == [("done", PLAIN), ("failed", other)]
    assert [task for task, _ in shelf.runner.inner.requests] == ["build", "check", "build"]


def test_what_was_left_is_chosen_for_the_next_run(shelf: Shelf) -> None:
    text = TWO + '[[models]]\nmodel = "absent.ckpt"\n'
    shelf.run(text, failing="'bits': 4")
    left = names_left(shelf.results)
    assert left == [f"{shelf.folder}/models/{SMALL}", f"{shelf.folder}/absent.ckpt"]
    assert shelf.run(text, left=left) == [("done", SMALL), ("failed", "absent.ckpt")]


def test_a_single_file_is_known_without_being_unpacked(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[[models]]\nmodel = "m.safetensors"\ntokenizer = "tokenizer"\nsize = "64x64"\n'
    assert [state for state, _ in shelf.run(text)] == ["done"]
    monkeypatch.setattr("sdcoreml.convert.jobs.unpacked.write_folder", None)
    assert [state for state, _ in shelf.run(text)] == ["reused"]
    file = shelf.folder / "m.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x3c")
    with pytest.raises(TypeError, match="not callable"):
        shelf.run(text)


def test_what_this_machine_cannot_do_fails_alone(shelf: Shelf) -> None:
    def refuse(goal: Goal) -> None:
        raise NoRoomError(f"no room for {Path(goal.output).name}")

    assert shelf.run(TWO, require_able=refuse) == [("failed", PLAIN), ("failed", SMALL)]
    assert shelf.results[0].because == f"no room for {PLAIN}"


def test_a_folder_that_another_run_makes_is_waited_for(shelf: Shelf) -> None:
    with ExitStack() as other:
        other.enter_context(sole_maker(shelf.folder / "models" / PLAIN))
        assert shelf.run(TWO, pause=lambda _: other.close())[0] == ("done", PLAIN)
    (told,) = [event for event in shelf.told if event.kind == "wait"]
    folder = str(shelf.folder / "models" / PLAIN)
    assert told.text.startswith(f"waiting for another process: {folder}: ")
    assert told.data == {"scarce": "process", "folder": folder, "needed": 0, "free": 0}


def test_waiting_is_said_once_and_looks_less_and_less_often(shelf: Shelf) -> None:
    with ExitStack() as other:
        other.enter_context(sole_maker(shelf.folder / "models" / PLAIN))

        def pause(seconds: float) -> None:
            shelf.waits.append(seconds)
            if len(shelf.waits) == 6:
                other.close()

        shelf.run(TWO, pause=pause)
    assert shelf.waits == [1, 2, 4, 8, 10, 10]
    assert sum(event.kind == "wait" for event in shelf.told) == 1


def test_a_run_tells_what_it_makes_and_what_became_of_it(shelf: Shelf) -> None:
    shelf.run(TWO)
    shutil.rmtree(shelf.folder / "models" / SMALL)
    shelf.told.clear()
    shelf.run(TWO + '[[models]]\nmodel = "absent.ckpt"\n')
    kinds = ("folders", "begin", "end")
    told = [event for event in shelf.told if event.kind in kinds]
    assert [event.kind for event in told] == ["folders", "end", "begin", "end", "end"]
    plain, small = (str(shelf.folder / "models" / name) for name in (PLAIN, SMALL))
    sizes = {one["folder"]: one["bytes"] for one in told[0].data}  # type: ignore[attr-defined]
    assert sizes[plain] > sizes[small] > 0
    assert [event.text for event in told[1:]] == [plain, f"2 of 3: {shelf.folder}/model", small, ""]
    assert told[2].data == [small]
    ends = [event.data for event in told if event.kind == "end"]
    assert [one["was_there"] for one in ends] == [True, False, True]  # type: ignore[index]
    assert [one["outcome"]["state"] for one in ends] == [  # type: ignore[index]
        *("reused", "done", "failed")
    ]


class Cramped:
    """Room for plain folders only, until the run has waited; none ever for those of 8 bits."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def find_shortage(self, batch: Batch, jobs: Sequence[Job]) -> Shortage | None:
        lack = Shortage(scarce=Scarce.DISK, folder="", needed=9, free=1)
        is_short = any(job.options.recipe for job in jobs) and not self.shelf.waits
        return lack if is_short and batch.args.bits != 8 else None

    def refuse(self, batch: Batch, _: Sequence[Job]) -> SdcoremlError | None:
        return NoRoomError("far too large") if batch.args.bits == 8 else None

    def claim(
        self, batch: Batch, jobs: Sequence[Job], held: ExitStack, *, insist: bool = False
    ) -> Shortage | None:
        del held
        return None if insist else self.find_shortage(batch, jobs)


class Narrow:
    """Room for one folder at a time, and only after a wait for each."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.claimed: list[str] = []

    def find_shortage(self, _: Batch, __: Sequence[Job]) -> Shortage | None:
        return None

    def refuse(self, _: Batch, jobs: Sequence[Job]) -> SdcoremlError | None:
        return NoRoomError("too many") if len(jobs) > 1 else None

    def claim(
        self, _: Batch, jobs: Sequence[Job], held: ExitStack, *, insist: bool = False
    ) -> Shortage | None:
        del held, insist
        if len(self.shelf.waits) == len(self.claimed):
            return Shortage(scarce=Scarce.MEMORY, folder=jobs[0].output.name, needed=9, free=1)
        self.claimed.append(jobs[0].output.name)
        return None


def test_single_folders_of_a_divided_conversion_wait_for_room_too(shelf: Shelf) -> None:
    narrow = Narrow(shelf)
    text = TWO.replace('"64x64"', '["64x64", "128x128"]').replace("bits = [false, 4]\n", "")
    plain = PLAIN, PLAIN.replace("64x64", "128x128")
    assert shelf.run(text, room=narrow) == [("done", name) for name in plain]
    assert (narrow.claimed, shelf.waits) == ([*plain], [1, 1])
    kinds = [event.kind for event in shelf.told if event.kind in ("wait", "begin", "end")]
    assert kinds == ["wait", "begin", "end"] * 2, "what waits has not begun"


def test_what_there_is_room_for_is_made_first_and_the_rest_waits(shelf: Shelf) -> None:
    text = TWO.replace("[false, 4]", "[4, 8, false]")
    big = "model-split-einsum-8-bit_64x64"
    assert shelf.run(text, room=Cramped(shelf)) == [
        *(("failed", big), ("done", PLAIN), ("done", SMALL)),
    ]
    assert shelf.results[0].because == "far too large"
    assert shelf.waits == [1]
    titles = [one.text[:6] for one in shelf.told if one.kind == "step" and " of 3" in one.text]
    assert titles == ["1 of 3", "2 of 3", "3 of 3"]
    shelf.waits.clear()
    assert [state for state, _ in shelf.run(text, room=Cramped(shelf))] == [
        *("reused", "failed", "reused")
    ], "what is there needs no room"
    assert shelf.waits == []


def test_the_table_says_what_became_of_each() -> None:
    results = [
        Result(state=State.DONE, place="models[0]", model="a", folder="f/a", programs=4, seconds=2),
        Result(state=State.REUSED, place="models[0]", model="a", folder="f/b"),
        Result(state=State.FAILED, place="models[1]", model="c", because="bad", explanation="why"),
    ]
    assert list(table(results)) == [
        "  done    f/a  4 programs in 2.0 s",
        "  reused  f/b  there already",
        "  failed  c  bad",
        "          why",
        "1 done, 1 reused, 1 failed",
    ]
    assert as_data(results)[2]["state"] == "failed"


def mochi(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the app's folder of models, in a home folder of its own."""
    monkeypatch.setenv("HOME", str(shelf.folder / "home"))
    place = shelf.folder / "home/MochiDiffusion/models"
    place.mkdir(parents=True)
    return place


def test_folders_are_installed_whether_made_now_or_there_already(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = mochi(shelf, monkeypatch)
    text = TWO + "install = true\n"
    assert shelf.run(text) == [("done", PLAIN), ("done", SMALL)]
    assert {path.name for path in place.iterdir()} == {PLAIN, SMALL}
    shutil.rmtree(place / PLAIN)
    assert shelf.run(text) == [("reused", PLAIN), ("reused", SMALL)]
    assert (place / PLAIN / "Unet.mlmodelc").is_dir()
    shutil.rmtree(place / PLAIN)
    (place / PLAIN / "Unet.mlmodelc").mkdir(parents=True)
    assert shelf.run(text) == [("failed", "model"), ("reused", SMALL)]
    assert "sdcoreml did not make what has this name" in shelf.results[0].because


def test_a_folder_that_is_not_installed_is_made_all_the_same(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = mochi(shelf, monkeypatch)
    text = TWO + "install = true\n"

    class Meanwhile(Fickle):
        """Somebody takes the name of the first folder while it is made."""

        def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
            (place / PLAIN / "Unet.mlmodelc").mkdir(parents=True, exist_ok=True)
            return super().run(task, request, emit)

    monkeypatch.setattr(f"{__name__}.Fickle", Meanwhile)
    assert shelf.run(text) == [("failed", PLAIN), ("done", SMALL)]
    assert shelf.results[0].because.startswith(f"not installed: {place / PLAIN}: sdcoreml did not")
    assert (shelf.folder / "models" / PLAIN / "Unet.mlmodelc").is_dir()
    assert [path.name for path in place.iterdir() if (path / "manifest.json").exists()] == [SMALL]


def test_what_core_ml_finds_faulty_is_not_installed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = mochi(shelf, monkeypatch)

    class OnAMac(Fickle):
        """Core ML cannot load the UNet."""

        def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
            if task in ("load", "answers", "placement"):
                faults = {"Unet.mlmodelc": WorkerError("load: died")}
                return CoreML(faults=faults).run(task, request, emit)
            return super().run(task, request, emit)

    monkeypatch.setattr(f"{__name__}.Fickle", OnAMac)
    text = '[[models]]\nmodel = "model"\nsize = "64x64"\ninstall = true\n'
    assert shelf.run(text, mac=lambda: MAC) == [("failed", PLAIN)]
    assert "1 of 4 programs fails on macOS 15.2, M2" in shelf.results[0].because
    assert [*place.iterdir()] == []


def test_each_model_is_announced_with_its_number(shelf: Shelf) -> None:
    models = "".join(f'[[models]]\nmodel = "{name}"\n' for name in ("a.ckpt", "b.ckpt"))
    assert shelf.run(models) == [("failed", "a.ckpt"), ("failed", "b.ckpt")]
    steps = [event.text for event in shelf.told if event.kind == "step"]
    assert [step.replace(f"{shelf.folder}/", "") for step in steps] == [
        "1 of 2: a.ckpt",
        "2 of 2: b.ckpt",
    ]


def test_what_waited_in_vain_is_not_expected_for_ever(shelf: Shelf) -> None:
    (shelf.folder / "jobs.toml").write_text(TWO)
    file = read_job_file(shelf.folder / "jobs.toml")
    with ExitStack() as stack:
        opener = Opener(into=file.into, run={"toolchain": "tested"}, stack=stack)
        first, last = open_batches(file, opener)
    # Its own folder and the one that it is for are there from an earlier run.
    waiting = replace(last, after=first.jobs[0].output)
    assert [one.folder for one in expected_of([first, waiting])] == [str(first.jobs[0].output)]
