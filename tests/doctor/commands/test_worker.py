from __future__ import annotations

import argparse
import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.jobs.reuse import xcode
from sdcoreml.doctor.commands import worker
from sdcoreml.doctor.commands.worker import begin, pins, refuse, tell, verify, work
from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.cluster.dask import Message
from sdcoreml.envs.cluster.folder import Cluster, Credentials, find_cluster
from sdcoreml.envs.kept import store
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.ground.errors import BrokenError, BusyError, UnreachableError, UsageError
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.damages import flip
from tests.envs.kept.test_store import finished
from tests.envs.wheels import PYTHON, standard_wheels, toolchain

CLUSTER = Cluster(address="tls://127.0.0.1:1", folder=Path("/net"))


class Speaking:
    """A cluster's member that says what it was told to say."""

    def __init__(self, *messages: Message) -> None:
        self.messages = messages
        self.asked: dict[str, Any] = {}

    def certify(self) -> Credentials:
        return Credentials(certificate="CERTIFICATE", key="KEY")

    def take_part(self, cluster: Cluster, **request: Any) -> Generator[Message, None, None]:
        if request["do"] == "greet":
            raise UnreachableError("no cluster answers", where=cluster.address)
        self.asked = request
        self.cluster = cluster
        yield from self.messages


class Deaf:
    """A cluster that is not there."""

    def take_part(self, cluster: Cluster, **request: Any) -> Generator[Message, None, None]:
        del request
        yield from self.fail(cluster)

    def fail(self, cluster: Cluster) -> Generator[Message, None, None]:
        raise UnreachableError("no cluster answers", where=cluster.address)


def test_a_new_cluster_says_how_it_is_joined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    member = Speaking(
        {"address": "tls://127.0.0.1:8786", "process": 1},
        {"joined": "mac"},
        {"left": "mac"},
        {"declined": {"worker": "old", "because": "the seal of its environment is broken"}},
    )
    assert begin(tmp_path / "net", "127.0.0.1", 8786, member) == 0
    assert (member.asked["host"], member.asked["port"]) == ("127.0.0.1", 8786)
    assert capsys.readouterr().out.splitlines() == [
        "a cluster listens at tls://127.0.0.1:8786; Ctrl-C ends it",
        f"each machine joins it with `sdcoreml worker {tmp_path}/net`",
        "where that folder is not shared, copy it first: its key admits",
        f"jobs run on it with `sdcoreml jobs FILE --cluster {tmp_path}/net`",
        "mac joined",
        "mac left",
        "old cannot take part: the seal of its environment is broken",
    ]
    assert find_cluster(str(tmp_path / "net")).address == "tls://127.0.0.1:8786"


def test_a_cluster_whose_port_is_taken_leaves_the_running_one_s_folder(tmp_path: Path) -> None:
    member = Speaking({"address": "tls://127.0.0.1:8786", "process": 1})
    begin(tmp_path / "net", "", 8786, member)
    before = {path.name: path.read_text() for path in (tmp_path / "net").iterdir()}

    class Refused(Speaking):
        def certify(self) -> Credentials:
            return Credentials(certificate="OTHER", key="OTHER")

        def take_part(self, cluster: Cluster, **request: Any) -> Generator[Message, None, None]:
            yield from super().take_part(cluster, **request)
            assert (cluster.folder / "key.pem").read_text() == "OTHER"
            yield from Deaf().fail(cluster)

    with pytest.raises(UnreachableError):
        begin(tmp_path / "net", "", 8786, Refused())
    assert {path.name: path.read_text() for path in (tmp_path / "net").iterdir()} == before


def test_the_folder_of_a_cluster_that_answers_is_left_to_it(tmp_path: Path) -> None:
    member = Speaking({"address": "tls://127.0.0.1:8786", "process": 1})
    begin(tmp_path / "net", "", 8786, member)
    before = {path.name: path.read_text() for path in (tmp_path / "net").iterdir()}

    class Answering(Speaking):
        def take_part(self, cluster: Cluster, **request: Any) -> Generator[Message, None, None]:
            assert request == {"do": "greet"}
            assert cluster.address == "tls://127.0.0.1:8786"
            yield {"answers": cluster.address}

    with pytest.raises(BusyError, match="net: a cluster is running from this folder; end it first"):
        begin(tmp_path / "net", "", 8787, Answering())
    assert {path.name: path.read_text() for path in (tmp_path / "net").iterdir()} == before


def test_a_broken_seal_is_told_on_both_sides() -> None:
    member = Speaking()
    with pytest.raises(BrokenError, match=r"^the seal of the environment is broken .*env repair"):
        refuse(CLUSTER, member, "the seal of its environment is broken (a.py: altered)")
    assert member.asked["do"] == "decline"
    assert member.asked["because"] == "the seal of its environment is broken (a.py: altered)"


def test_a_broken_seal_is_told_even_where_nobody_hears() -> None:
    with pytest.raises(BrokenError, match="the seal of the environment is broken"):
        refuse(CLUSTER, Deaf(), "the seal of its environment is broken")


def test_a_worker_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    member = Speaking({"joined": "tls://h:1", "process": 1}, {"gone": True})
    assert work(CLUSTER, member, {"toolchain": "tested"}) == 0
    assert member.asked["do"] == "work"
    assert member.asked["pins"] == {"toolchain": "tested"}
    assert capsys.readouterr().out == (
        "ready to work for the cluster at tls://h:1; Ctrl-C leaves it\n"
        "the cluster has ended, or lost sight of this machine\n"
    )


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ({"job": "a.toml", "because": ""}, "takes part in a.toml"),
        ({"job": "a.toml", "because": "pins"}, "refuses work for a.toml: pins"),
        ({"began": "models/a"}, "makes models/a"),
        ({"ended": "models/a", "seconds": 1.25, "because": ""}, "ended models/a, 1.2 s"),
        ({"ended": "models/a", "seconds": 1.25, "because": "why"}, "gave up models/a: why"),
    ],
)
def test_a_line_for_each_thing_that_a_worker_does(message: Message, line: str) -> None:
    assert tell(message) == line


def test_a_worker_knows_the_locks_of_all_targets() -> None:
    tested = load_toolchain("tested")
    known: Any = pins(tested, "3.10.10")
    assert known["toolchain"] == "tested"
    assert (known["python"], known["xcode"]) == ("3.10.10", xcode() or "")
    assert set(known["locks"]) == set(tested.targets)
    target = tested.targets[0]
    assert known["locks"][target] == load_lock("tested", target).digest


def test_two_workers_of_one_machine_have_names_of_their_own() -> None:
    assert worker._own_name().endswith(f"-{os.getpid()}")


@pytest.mark.slow
def test_one_byte_of_an_environment_breaks_its_seal(tmp_path: Path) -> None:
    locked = standard_wheels(tmp_path / "wheels")
    source = PackageSource(wheels=tmp_path / "wheels")
    options = BuildOptions(python=PYTHON, source=source, root=tmp_path / "envs")
    made = build(load_toolchain(toolchain(tmp_path / "tiny", locked)), options=options)
    assert verify(made) == ""
    flip(site_packages(made.path) / "two/native.so", keep_time=True)
    assert verify(made).startswith("the seal of its environment is broken (")
    assert "two/native.so" in verify(made)


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    worker.configure(parser)
    return parser.parse_args(words)


@pytest.fixture
def dask(monkeypatch: pytest.MonkeyPatch) -> Speaking:
    member = Speaking({"address": "tls://127.0.0.1:8786", "process": 1})
    monkeypatch.setattr("sdcoreml.envs.cluster.dask.find_dask", lambda *_: member)
    return member


@pytest.mark.parametrize(
    ("words", "host", "port"),
    [((), "", 8786), (("127.0.0.1:9000",), "127.0.0.1", 9000)],
)
def test_a_cluster_is_begun_where_it_is_asked_for(
    dask: Speaking, tmp_path: Path, words: tuple[str, ...], host: str, port: int
) -> None:
    assert worker.run(parsed(*words, "--new-cluster", str(tmp_path / "net"))) == 0
    assert dask.asked == {"do": "schedule", "host": host, "port": port}


def test_without_a_cluster_there_is_nothing_to_work_for() -> None:
    with pytest.raises(UsageError) as caught:
        worker.run(parsed())
    assert str(caught.value) == (
        "give the folder of a cluster, or --new-cluster FOLDER to begin one;"
        " see `sdcoreml worker --help`"
    )


def test_a_worker_needs_an_environment_that_is_sealed(
    dask: Speaking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    begin(tmp_path / "net", "", 8786, dask)
    with pytest.raises(BrokenError) as caught:
        worker.run(parsed(str(tmp_path / "net"), "--toolchain", "light"))
    assert str(caught.value) == (
        "no environment of light is built here; build it with `sdcoreml env --toolchain light`"
    )
    made = finished(tmp_path / "envs" / ("a" * 16))
    store.write(replace(made, lock_digest=load_lock("tested", host_target()).digest))
    (tmp_path / "envs" / "tested").symlink_to(made.path.name)
    with pytest.raises(BrokenError, match=r"^the seal of the environment is broken"):
        worker.run(parsed(str(tmp_path / "net")))
    assert dask.asked["do"] == "decline"
    monkeypatch.setattr(worker, "verify", lambda _: "")
    assert worker.run(parsed(str(tmp_path / "net"))) == 0
    assert dask.asked["do"] == "work"
    assert dask.asked["pins"] == pins(load_toolchain("tested"), "3.10.10")
    assert dask.cluster.address == "tls://127.0.0.1:8786"
