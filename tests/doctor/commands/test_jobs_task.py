"""What a worker's process answers; `test_jobs_cluster.py` has it make folders."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.worker import Worker
from sdcoreml.doctor.commands.jobs_batch import Opener
from sdcoreml.doctor.commands.jobs_task import FolderTask, answer, in_environment
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.users import is_used
from sdcoreml.ground.errors import BrokenError
from sdcoreml.ground.events import silent
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.target import host_target
from tests.convert.stand_ins import MADE_IN
from tests.doctor.commands.cluster_stand_in import COMMAND, open_stand_in
from tests.envs.kept.test_store import finished

TASK = FolderTask(
    file=Path("jobs.toml"),
    digest="5f",
    number=0,
    folder="models/a",
    builder="1",
    asked="",
    toolchain="tested",
    made_in=MADE_IN,
)


def test_a_bug_is_an_answer_and_its_traceback_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer({}, open_stand_in) == {"error": "a bug of sdcoreml (KeyError: 'task')"}
    assert 'request["task"]' in capsys.readouterr().err


def test_a_worker_without_the_environment_is_told_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    with ExitStack() as stack, pytest.raises(BrokenError) as caught:
        in_environment(TASK, Opener(into=tmp_path, run={}, stack=stack), stack, silent)
    assert str(caught.value) == (
        "the environment tested is not there any more; build it with"
        " `sdcoreml env --toolchain tested`, and start the worker again"
    )


@pytest.fixture
def served() -> Generator[subprocess.Popen[bytes], None, None]:
    """A process that serves a task, and is ended with the test."""
    pipe = subprocess.PIPE
    with subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        yield process
        process.kill()


def test_stdout_has_the_answer_alone(served: subprocess.Popen[bytes]) -> None:
    asked, said, told = served.stdin, served.stdout, served.stderr
    assert asked and said and told  # noqa: PT018  one claim
    asked.write(b"{}\n")
    asked.flush()  # who closes it ends the process, be it done or not
    assert json.loads(said.read()) == {"error": "a bug of sdcoreml (KeyError: 'task')"}
    assert b"KeyError" in told.read()
    assert served.wait() == 0


def test_a_worker_says_of_its_toolchain_what_the_coordinator_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    made = finished(tmp_path / "envs" / ("a" * 16))
    store.write(replace(made, lock_digest=load_lock("tested", host_target()).digest))
    (tmp_path / "envs" / "tested").symlink_to(made.path.name)
    with ExitStack() as stack:
        opener = Opener(into=tmp_path, run={}, stack=stack)
        run = in_environment(replace(TASK, asked="tested"), opener, stack, silent)
        assert (run.shop.toolchain, run.toolchain.name) == (MADE_IN, "tested")
        assert run.shop.policy.certified_only is False
        runner = run.shop.runner
        assert isinstance(runner, Worker)
        assert runner.python == made.path.resolve() / "bin/python"
        assert is_used(made.path), "nobody removes it meanwhile"
    assert not is_used(made.path)
