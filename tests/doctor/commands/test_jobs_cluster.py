from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Collection, Generator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.cache.key import builder_version
from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.jobs.reuse import xcode
from sdcoreml.doctor.commands import jobs_cluster, worker
from sdcoreml.doctor.commands.jobs_batch import Opener, open_batches
from sdcoreml.doctor.commands.jobs_file import read_job_file
from sdcoreml.doctor.commands.jobs_run import Result, State, choose_left
from sdcoreml.doctor.commands.jobs_task import FolderTask, answer
from sdcoreml.doctor.core.overall import Overall
from sdcoreml.envs.cluster.dask import Dask, Members, Message, find_dask
from sdcoreml.envs.cluster.folder import (
    Cluster,
    find_cluster,
    keep_credentials,
    stage_credentials,
)
from sdcoreml.envs.cluster.working import unseen
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.digest import describe, named_below
from sdcoreml.ground.errors import BrokenError, EnvError, InstallError
from sdcoreml.ground.events import Event
from sdcoreml.ground.leftovers import find_leftovers
from sdcoreml.ground.places import environments_folder
from tests.convert.stand_ins import MADE_IN, write_controlnet
from tests.doctor.commands.cluster_stand_in import (
    COMMAND,
    SLOW,
    STUCK,
    Obedient,
    open_stand_in,
    run_with,
)
from tests.doctor.commands.test_inspect import unpacked

CLUSTER = Cluster(address="tls://127.0.0.1:1", folder=Path("/net"))
FOUR = '[[models]]\nmodel = "model"\nsize = ["64x64", "128x128"]\nbits = [false, 4]\n'
FOLDERS = [
    "model-split-einsum_64x64",
    "model-split-einsum_128x128",
    "model-split-einsum-4-bit_64x64",
    "model-split-einsum-4-bit_128x128",
]


class Shared:
    """A folder that machines share: a model, a job file, its results and a cache."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder, self.told = folder, list[Event]()
        (folder / "jobs.toml").write_text(text)

    def run(
        self, members: Members | None, cluster: Cluster = CLUSTER, left: Collection[str] = ()
    ) -> tuple[Result, ...]:
        """Run the job file, or what is left of it, on a cluster or on this machine alone."""
        file = read_job_file(self.folder / "jobs.toml")
        with ExitStack() as stack:
            wide = {"toolchain": "tested", "workers": None}
            opener = Opener(into=file.into, run=wide, stack=stack)
            batches = open_batches(file, opener)
            batches = choose_left(batches, left) if left else batches
            cache = Cache(folder=self.folder / "cache")
            run = run_with(cache, MADE_IN, opener, self.told.append)
            if members is None:
                return run.make(batches)
            return jobs_cluster.make(run, batches, file, cluster, members)

    def states(self, members: Members | None) -> list[tuple[str, str]]:
        made = self.run(members)
        return [(one.state.value, Path(one.folder or one.model).name) for one in made]

    def files(self) -> Mapping[str, object]:
        return describe(named_below(self.folder / "models"))

    @property
    def lines(self) -> list[str]:
        """What was told, without the folder's path."""
        kinds = ("step", "note", "warning")
        told = [one.text for one in self.told if one.kind in kinds]
        return [text.replace(f"{self.folder}/", "") for text in told]


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    unpacked(tmp_path)
    return Shared(tmp_path, FOUR)


def test_a_cluster_makes_the_same_bytes_and_what_is_there_is_left(shared: Shared) -> None:
    before = set(shared.folder.iterdir())
    members = Obedient()
    assert shared.states(members) == [("done", name) for name in FOLDERS]
    assert shared.lines[:3] == [
        "mac takes part",
        f"1 of 4: models/{FOLDERS[0]}, on mac",
        f"1 of 4 ended: models/{FOLDERS[0]}, on mac",
    ]
    assert set(shared.folder.iterdir()) - before <= {
        shared.folder / "models",
        shared.folder / "cache",
    }
    made = shared.files()
    assert shared.states(None) == [("reused", name) for name in FOLDERS]
    shutil.rmtree(shared.folder / "models")
    shutil.rmtree(shared.folder / "cache")
    assert shared.states(None) == [("done", name) for name in FOLDERS]
    assert shared.files() == made


def test_only_what_is_not_there_is_given_away(shared: Shared) -> None:
    shared.run(None)
    members = Obedient()
    shutil.rmtree(shared.folder / "models" / FOLDERS[2])
    expected = [("reused", name) for name in FOLDERS]
    expected[2] = ("done", FOLDERS[2])
    assert shared.states(members) == expected
    assert [task["task"]["title"] for task in members.asked[0]["tasks"]] == [
        str(shared.folder / "models" / FOLDERS[2])
    ]
    assert shared.states(members) == [("reused", name) for name in FOLDERS]
    assert len(members.asked) == 1


def test_workers_are_asked_for_the_same_pins_and_folders(shared: Shared) -> None:
    members = Obedient()
    shared.run(members)
    (asked,) = members.asked
    assert asked["do"] == "coordinate"
    pinned = ("toolchain", "target", "lock", "python", "xcode")
    assert {key: asked["job"][key] for key in pinned} == {
        "python": MADE_IN.python,
        "xcode": xcode() or "",
        "toolchain": MADE_IN.name,
        "target": MADE_IN.target,
        "lock": MADE_IN.lock,
    }
    *signs, model = asked["signs"]
    assert model == {"file": str(shared.folder / "model")}
    folders = [one["folder"] for one in signs]
    assert folders == [str(shared.folder / name) for name in ("", "cache", "models")]
    assert not any(Path(one["file"]).exists() for one in signs)
    cache = {"SDCOREML_CACHE": str(shared.folder / "cache")}
    assert [task["task"]["environ"] for task in asked["tasks"]] == [cache] * 4


def test_the_signs_are_locked_while_they_are_shown(tmp_path: Path) -> None:
    with jobs_cluster.show_signs([tmp_path]) as signs:
        assert unseen(signs) == ""
    assert not [*tmp_path.iterdir()]


def test_a_model_that_is_refused_costs_no_worker_and_stops_no_other(tmp_path: Path) -> None:
    unpacked(tmp_path)
    text = '[[models]]\nmodel = "absent.ckpt"\n[[models]]\nmodel = "model"\nsize = "64x64"\n'
    members = Obedient()
    assert Shared(tmp_path, text).states(members) == [
        ("failed", "absent.ckpt"),
        ("done", FOLDERS[0]),
    ]
    assert len(members.asked[0]["tasks"]) == 1


def test_a_controlnet_waits_for_the_folder_that_it_is_for(tmp_path: Path) -> None:
    unpacked(tmp_path)
    write_controlnet(tmp_path / "net")
    text = (
        '[[models]]\nmodel = "net"\nfor = "made"\n'
        '[[models]]\nmodel = "model"\nsize = "64x64"\ncontrolled = true\noutput = "made"\n'
    )
    members = Obedient()
    made = Shared(tmp_path, text).run(members)
    assert (made[0].state.value, made[0].folder) == ("done", str(tmp_path / "made"))
    first, second = members.asked[0]["tasks"]
    assert (first["after"], second["after"]) == ((), (first["id"],))
    assert first["task"]["title"] == str(tmp_path / "made")
    assert second["task"]["title"] == str(tmp_path / "net")
    assert second["task"]["task"]["folder"] == ""


def test_what_a_controlnet_s_conversion_made_counts_once_it_is_known(tmp_path: Path) -> None:
    unpacked(tmp_path)
    write_controlnet(tmp_path / "net")
    text = (
        '[[models]]\nmodel = "model"\nsize = "64x64"\ncontrolled = true\noutput = "made"\n'
        '[[models]]\nmodel = "net"\nfor = "made"\n'
    )
    shared = Shared(tmp_path, text)
    results = [
        Result(state=State.DONE, place="models", model="m", folder=str(tmp_path / name))
        for name in ("made", "net-made")
    ]
    shared.run(
        Saying(
            *(
                {"ended": number, "worker": "mac", "answer": {"results": to_plain([result])}}
                for number, result in enumerate(results)
            )
        )
    )
    overall = Overall()
    for event in shared.told:
        overall.hear(event)
    assert (overall.folders, overall.ended) == (2, 2)


def test_what_an_earlier_run_left_is_made_by_the_conversion_that_makes_it(tmp_path: Path) -> None:
    unpacked(tmp_path)
    sizes = ("64x64", "128x128")
    text = "".join(f'[[models]]\nmodel = "model"\nsize = "{size}"\n' for size in sizes)
    left = tmp_path / "models" / FOLDERS[1]
    made = Shared(tmp_path, text).run(Obedient(), left=[str(left)])
    assert [(one.state.value, one.folder) for one in made] == [("done", str(left))]
    assert left.is_dir()


class Saying:
    """A cluster that says what it was told to say."""

    def __init__(self, *messages: Message) -> None:
        self.messages = messages

    def take_part(self, cluster: Cluster, **request: Any) -> Generator[Message, None, None]:
        del cluster, request
        yield from self.messages


def test_who_gets_no_work_and_who_is_lost_is_told(shared: Shared) -> None:
    error = {"error": "its process ended without an answer"}
    members = Saying(
        {"waiting": True},
        {"worker": "old", "because": "its toolchain is light, the job's is tested"},
        {"lost": "mac", "id": 1, "because": ""},
        {"lost": "mini", "because": ""},
        *({"ended": number, "worker": "mac", "answer": error} for number in range(4)),
    )
    made = shared.run(members)
    assert {(one.state.value, one.because) for one in made} == {("failed", error["error"])}
    assert [Path(one.folder).name for one in made] == FOLDERS
    assert shared.lines[:4] == [
        "no worker takes part; on each machine, start `sdcoreml worker /net`",
        "old gets no work: its toolchain is light, the job's is tested",
        f"mac was lost; another makes models/{FOLDERS[1]}",
        "mini left",
    ]


def test_a_worker_s_answer_without_results_is_no_success(shared: Shared) -> None:
    answers: list[Message] = [{"results": []}, {}, {"results": [{}]}]
    members = Saying(
        *({"ended": number, "worker": "mac", "answer": said} for number, said in enumerate(answers))
    )
    made = shared.run(members)
    assert [(one.state.value, Path(one.folder).name) for one in made] == [
        ("failed", name) for name in FOLDERS
    ]
    assert [one.because for one in made] == [*["a worker gave no answer"] * 3, "no worker made it"]


def a_task(folder: Path, **more: Any) -> FolderTask:
    members = Obedient()
    Shared(folder, FOUR).run(members)
    task: FolderTask = members.asked[0]["tasks"][0]["task"]["task"]
    return {"task": {**to_plain(task), **more}}  # type: ignore[return-value]


def test_a_job_file_that_changed_meanwhile_is_not_followed(tmp_path: Path) -> None:
    unpacked(tmp_path)
    request: Any = a_task(tmp_path)
    (tmp_path / "jobs.toml").write_text(FOUR + "\n")
    assert answer(request, open_stand_in) == {
        "error": f"{tmp_path}/jobs.toml: was changed since the run began;"
        f" run `sdcoreml jobs {tmp_path}/jobs.toml --cluster CLUSTER` again"
    }


def test_a_folder_that_the_job_file_does_not_make_is_no_success(tmp_path: Path) -> None:
    unpacked(tmp_path)
    request: Any = a_task(tmp_path)
    request["task"]["folder"] = f"{tmp_path}/other"
    assert answer(request, open_stand_in) == {
        "error": f"{tmp_path}/jobs.toml: makes no folder {tmp_path}/other on this machine;"
        f" run `sdcoreml jobs {tmp_path}/jobs.toml --cluster CLUSTER` again"
    }


def test_other_code_does_no_task(tmp_path: Path) -> None:
    unpacked(tmp_path)
    request: Any = a_task(tmp_path, builder="other")
    assert answer(request, open_stand_in) == {
        "error": "this machine's sdcoreml is another than the job's; update it"
    }


PINS = {"version": "1", "builder": "", "toolchain": MADE_IN.name, "locks": {}}


class Crowd:
    """Members of a real cluster, each in a thread, and what they said."""

    def __init__(self, dask: Dask) -> None:
        self.dask = dask
        self.heard: list[tuple[str, Message]] = []
        self.threads: list[threading.Thread] = []

    def start(self, name: str, cluster: Cluster, **request: Any) -> None:
        def listen() -> None:
            try:
                for message in self.dask.take_part(cluster, **{"name": name, **request}):
                    self.heard.append((name, message))
            except EnvError as error:
                self.heard.append((name, {"error": error.what}))

        self.threads.append(threading.Thread(target=listen, daemon=True))
        self.threads[-1].start()

    def said(self, name: str, key: str) -> Any:
        """Wait until a member said something."""
        until = time.monotonic() + 240
        while time.monotonic() < until:
            for who, message in list(self.heard):
                if who == name and key in message:
                    return message[key]
            time.sleep(0.1)
        raise AssertionError((name, key))

    def end(self) -> None:
        """End the scheduler; the workers then end by themselves."""
        os.kill(self.said("scheduler", "process"), signal.SIGKILL)
        for thread in self.threads:
            thread.join(60)


@pytest.mark.slow
def test_a_real_cluster_loses_a_worker_and_refuses_others(tmp_path: Path) -> None:
    """One worker is killed, one is slow, one has other pins, one a broken seal, one another key."""
    try:
        dask = find_dask(environments_folder(), lambda _: None)
    except InstallError as error:
        pytest.skip(f"NOT RUN: Dask cannot be installed: {error}")
    unpacked(tmp_path)
    shared = Shared(tmp_path, FOUR)
    members = Crowd(dask)
    with stage_credentials(tmp_path / "net", dask.certify()) as new:
        staged = Cluster(address="", folder=new)
        members.start("scheduler", staged, do="schedule", host="127.0.0.1", port=0)
        address = members.said("scheduler", "address")
        keep_credentials(tmp_path / "net", new, address)
    net = find_cluster(str(tmp_path / "net"))
    pins = {
        **PINS,
        "builder": builder_version(),
        "locks": {MADE_IN.target: MADE_IN.lock},
        "python": MADE_IN.python,
        "xcode": xcode() or "",
    }
    for name, command in (("good", COMMAND), ("slow", SLOW), ("doomed", STUCK)):
        members.start(name, net, do="work", pins=pins, environ={}, command=command)
    members.start("other", net, do="work", pins={**pins, "builder": "o"}, environ={}, command=())
    with stage_credentials(tmp_path / "strange", dask.certify()) as new:
        keep_credentials(tmp_path / "strange", new, address)
    strange = find_cluster(str(tmp_path / "strange"))
    members.start("strange", strange, do="work", pins=pins, environ={}, command=())
    with pytest.raises(BrokenError, match="the seal of the environment is broken"):
        worker.refuse(net, dask, "the seal of its environment is broken (numpy: altered)")
    for name in ("good", "slow", "doomed", "other"):
        members.said(name, "joined")

    def doom() -> None:
        process = members.said("doomed", "process")
        members.said("doomed", "began")
        os.kill(process, signal.SIGKILL)

    threading.Thread(target=doom, daemon=True).start()
    made = shared.run(dask, net)
    assert {(one.state.value, one.because) for one in made} == {("done", "")}
    assert [Path(one.folder).name for one in made] == FOLDERS
    said = "\n".join(shared.lines)
    assert "doomed was lost; another makes " in said
    assert "other gets no work: its sdcoreml is another" in said
    assert "gets no work: the seal of its environment is broken (numpy: altered)" in said
    assert members.said("other", "because").startswith("its sdcoreml is another")
    assert "no cluster answers" in members.said("strange", "error")
    members.end()
    assert not [one for who, one in members.heard if who in ("other", "strange") and "began" in one]
    alone = tmp_path / "alone"
    alone.mkdir()
    unpacked(alone)
    other = Shared(alone, FOUR)
    other.run(None)
    assert shared.files() == other.files()
    assert not find_leftovers(tmp_path / "models")
