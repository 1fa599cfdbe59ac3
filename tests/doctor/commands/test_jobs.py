"""`sdcoreml jobs` as it is typed; what it does is tested in its parts."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.worker import Worker
from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.convert import provenance
from sdcoreml.doctor.commands.jobs import open_run, tell
from sdcoreml.doctor.commands.jobs_batch import Opener
from sdcoreml.doctor.commands.jobs_room import MeasuredRoom
from sdcoreml.doctor.commands.jobs_run import Result, State
from sdcoreml.doctor.commands.jobs_schema import example
from sdcoreml.doctor.gather.machine import workers
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.doctor.gather.toolchain import measured
from sdcoreml.envs.cluster.folder import Credentials, keep_credentials, stage_credentials
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.kept.test_store import finished


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    path = tmp_path / "jobs.toml"
    path.write_text('into = "out"\n[[models]]\nmodel = "cat"\n')
    return path


def test_a_file_or_the_example_is_asked_for(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "error: give one job file, or --example; see `"
    for words in ([], [str(file), "--example"]):
        assert main(["jobs", *words]) == 2
        assert capsys.readouterr().err.startswith(said)


def test_the_example_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "--example"]) == 0
    assert capsys.readouterr() == (example(), "")


def test_a_plan_with_what_cannot_be_converted_is_a_problem(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jobs", str(file), "--plan"]) == 1
    assert "cat" in capsys.readouterr().out
    assert main(["jobs", str(file), "--plan", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told.keys(), told["schema"]) == ({"schema", "plan"}, 1)
    assert not (file.parent / "out").exists()


def test_what_became_of_each_folder_is_told_in_words_or_as_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = Result(state=State.DONE, place="models[0]", model="a", folder="f/a", programs=4)
    failed = Result(state=State.FAILED, place="models[1]", model="b", because="it is damaged")
    assert tell([made], as_json=False) == 0
    assert "f/a" in capsys.readouterr().out.splitlines()[0]
    assert tell([made, failed], as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["event"]) == (1, "table")
    assert [one["state"] for one in told["results"]] == ["done", "failed"]


@pytest.mark.parametrize(
    ("asked", "used", "certified_only"),
    [("tested", "tested", False), ("tested", "light", True), ("light", "light", False)],
)
def test_a_run_works_in_the_environment_with_what_was_asked_for(
    tmp_path: Path,
    asked: str,
    used: str,
    certified_only: bool,  # noqa: FBT001
) -> None:
    made = finished(tmp_path / ("a" * 16), "5ea1" * 16)
    told: list[Event] = []
    cache = Cache(folder=tmp_path / "cache")
    loaded = load_toolchain(used)
    with ExitStack() as stack:
        opener = Opener(into=tmp_path, run={}, stack=stack, emit=told.append)
        args = argparse.Namespace(toolchain=asked, workers=3)
        run = open_run(args, loaded, made, opener, cache)
        usual = open_run(
            argparse.Namespace(toolchain=asked, workers=None), loaded, made, opener, None
        )
    assert run.shop == Workshop(
        runner=Worker(python=made.python),
        toolchain=provenance(made, loaded),
        policy=ProofPolicy(certified_only=certified_only),
        workers=3,
        cache=cache,
    )
    assert (run.opener, run.toolchain) == (opener, loaded)
    assert run.room == MeasuredRoom(measured=measured(f"{loaded.folder}/"))
    run.emit(Event(kind="note", text="x"))
    assert told == [Event(kind="note", text="x")]
    assert (usual.shop.workers, usual.shop.cache) == (workers(Probe()), None)


def test_a_cluster_installs_nothing(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = tmp_path / "net"
    with stage_credentials(net, Credentials(certificate="C", key="K")) as new:
        keep_credentials(net, new, "tls://127.0.0.1:1")
    assert main(["jobs", str(file), "--cluster", str(net), "--install"]) == 2
    assert capsys.readouterr().err == (
        "error: a cluster's workers cannot install folders here; install them afterwards:"
        f" `sdcoreml jobs {file} --install`\n"
    )
