"""A child in a fork of the server is like one that its `Worker` has started itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sdcoreml.convert.worker import LAUNCH, Worker
from sdcoreml.ground.errors import SdcoremlError, WorkerError
from sdcoreml.ground.events import Event
from tests.forks import fork_server, program_of
from tests.inside.conftest import COLD

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="nothing is forked there")

ANSWER = """
import json, os, sys
request = json.loads(sys.stdin.readline())
print(json.dumps({"kind": "result", "data": {"value": %s, "peak_memory": 1}}), flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with fork_server(Path(sys.executable), ("sdcoreml.convert.worker",)) as address:
        yield address


def worker(address: str, code: str) -> Worker:
    return Worker(python=Path(sys.executable), launch=program_of(address, code))


def answer(address: str, value: str) -> object:
    return worker(address, ANSWER % value).run("try", {"x": 7}).value


def test_it_gets_the_request_and_answers(address: str) -> None:
    assert answer(address, 'request["request"]["x"]') == 7


def test_it_has_the_arguments_and_the_environment_of_its_own(address: str) -> None:
    assert answer(address, "len(sys.argv)") == 2
    place = str(answer(address, 'os.environ["TMPDIR"]'))
    assert not Path(place).exists()  # the Worker has removed it
    assert answer(address, '__import__("tempfile").gettempdir() == os.environ["TMPDIR"]')
    assert answer(address, 'os.environ["OMP_WAIT_POLICY"]') == "PASSIVE"


def test_it_has_imported_what_the_server_has_and_nothing_of_another_fork(address: str) -> None:
    assert answer(address, '"sdcoreml.convert.worker" in sys.modules')
    assert answer(address, 'sys.modules.setdefault("left", 1)') == 1
    assert answer(address, '"left" in sys.modules') is False


def test_a_real_task_runs_and_its_error_is_raised(address: str, tmp_path: Path) -> None:
    request = {"components": [{"config": str(tmp_path / "none"), "weights": "", "programs": []}]}
    with pytest.raises(SdcoremlError):
        worker(address, LAUNCH).run("build", request)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "died of SIGSEGV"),
        ("import os; os.abort()", "died of SIGABRT"),
        ("raise SystemExit(3)", "ended with exit code 3"),
        ("raise ValueError('odd')", "ended with exit code 1 without an answer: ValueError: odd"),
    ],
)
def test_it_ends_as_the_fork_does(address: str, code: str, said: str) -> None:
    with pytest.raises(WorkerError, match=said):
        worker(address, code).run("try", {})


def test_it_is_killed_with_the_process_that_stands_for_it(address: str) -> None:
    def stop(event: Event) -> None:
        raise KeyboardInterrupt(event.text)

    code = """
import json, os, time
print(json.dumps({"kind": "step", "text": str(os.getpid())}), flush=True)
time.sleep(3600)
"""
    with pytest.raises(KeyboardInterrupt) as caught:
        worker(address, code).run("try", {}, stop)
    number = int(str(caught.value))
    with suppress(psutil.NoSuchProcess):
        psutil.Process(number).wait(60)
    assert not psutil.pid_exists(number)


def test_every_test_of_a_cold_start_says_why() -> None:
    folder = Path(__file__).parent / "inside"
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("test_*.py")
        if re.search(r"cold_worker|COLD|Worker\(python=", path.read_text())
    }
    assert found == set(COLD)


def test_the_server_ends_with_the_process_that_started_it() -> None:
    code = (
        "import sys; from pathlib import Path; from tests.forks import fork_server\n"
        "with fork_server(Path(sys.executable), ()) as address:\n"
        "    import psutil; print(psutil.Process().children()[0].pid, flush=True)\n"
        "    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    ) as owner:
        assert owner.stdout is not None
        server = psutil.Process(int(owner.stdout.readline()))
        os.kill(owner.pid, signal.SIGKILL)
        psutil.wait_procs([server], 60)
        # Where nobody waits for orphans, as in some containers, it stays as a zombie.
        assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
