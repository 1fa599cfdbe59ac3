"""The child's own end: what it answers, what it says of memory, and when it ends."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sdcoreml.convert.tasks.serve import TASKS, peak_memory

ROOT = Path(__file__).parents[3]
TASK = """
from sdcoreml.ground.errors import BadInputError

def task(request, emit):
    print("a library's own words")
    if request.get("refuse"):
        raise BadInputError("is not that", where="there", remedy="do this")
    if request.get("fill"):
        raise MemoryError
    return {"given": request}
"""
CHILD = "import sys; from sdcoreml.convert.tasks.serve import serve; serve({'try': 'tried'})"


def ask(tmp_path: Path, request: object) -> tuple[dict[str, object], str]:
    (tmp_path / "tried.py").write_text(TASK)
    path = os.pathsep.join((str(ROOT), str(tmp_path)))
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": ""},  # as users have it
    ) as child:
        assert child.stdin is not None
        child.stdin.write(json.dumps({"task": "try", "request": request}) + "\n")
        child.stdin.flush()  # it stays open: a child whose parent is gone ends
        assert child.stdout is not None
        assert child.stderr is not None
        (line,) = child.stdout.readlines()
        answer: dict[str, object] = json.loads(line)["data"]
        return answer, child.stderr.read()


def test_stdout_has_the_answer_alone(tmp_path: Path) -> None:
    answer, told = ask(tmp_path, {"a": 1})
    assert answer["value"] == {"given": {"a": 1}}
    assert answer["peak_memory"] > 5_000_000  # type: ignore[operator]
    assert told == "a library's own words\n"


def test_an_error_is_an_answer(tmp_path: Path) -> None:
    answer, _ = ask(tmp_path, {"refuse": True})
    error = answer["error"]
    assert isinstance(error, dict)
    assert (error["what"], error["where"], error["remedy"]) == ("is not that", "there", "do this")


def test_no_memory_is_an_answer_too(tmp_path: Path) -> None:
    answer, _ = ask(tmp_path, {"fill": True})
    error = answer["error"]
    assert isinstance(error, dict)
    assert (error["what"], error["where"]) == ("out of memory", "try")


@pytest.mark.parametrize(("system", "bytes_each"), [("darwin", 1), ("linux", 1024)])
def test_memory_is_in_bytes_on_every_system(
    system: str, bytes_each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = peak_memory()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert before * bytes_each <= found <= after * bytes_each


def test_every_task_has_its_module() -> None:
    for place in TASKS.values():
        path = ROOT.joinpath(*place.split(".")[1:]).with_suffix(".py")
        assert "\ndef task(" in path.read_text("utf-8"), place
