from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.envs.cluster import working
from sdcoreml.envs.cluster.working import admit, differing, make, unseen

JOB = {
    "file": "/shelf/jobs.toml",
    "version": "1.0",
    "builder": "b" * 64,
    "toolchain": "tested",
    "target": "linux-x86_64",
    "lock": "c" * 64,
    "python": "3.10.10",
    "xcode": "f" * 64,
}
PINS: dict[str, Any] = {
    "version": "1.0",
    "builder": "b" * 64,
    "toolchain": "tested",
    "locks": {"linux-x86_64": "c" * 64, "macos-arm64": "d" * 64},
    "python": "3.10.10",
    "xcode": "f" * 64,
}

BUILDERS = "1.1, builder aaaaaaaaaaaa; the job's is 1.0, builder bbbbbbbbbbbb"


@pytest.mark.parametrize(
    ("pins", "because"),
    [
        ({}, ""),
        ({"toolchain": "light"}, "its toolchain is light, the job's is tested"),
        ({"builder": "a" * 64, "version": "1.1"}, f"its sdcoreml is another ({BUILDERS})"),
        (
            {"locks": {"linux-x86_64": "e" * 64}},
            "its lock for linux-x86_64 is eeeeeeeeeeee, the job's is cccccccccccc",
        ),
        (
            {"python": "3.10.9"},
            "its environment's Python is 3.10.9, the job's is 3.10.10",
        ),
        ({"xcode": "9" * 64}, "its Xcode's compiler is 999999999999, the job's is ffffffffffff"),
        ({"xcode": ""}, "its Xcode's compiler is none, the job's is ffffffffffff"),
        ({"locks": {}}, "its lock for linux-x86_64 is none, the job's is cccccccccccc"),
    ],
)
def test_a_worker_with_other_pins_says_which(pins: dict[str, object], because: str) -> None:
    assert differing({**PINS, **pins}, JOB) == because


def test_a_sign_is_seen_where_the_folder_is_shared(tmp_path: Path) -> None:
    (tmp_path / "sign").write_text("secret")
    sign = {"folder": "/shelf", "file": str(tmp_path / "sign"), "text": "secret"}
    assert unseen([sign]) == ""
    told = "it does not share /shelf, which all machines must mount"
    assert unseen([sign, {**sign, "text": "other"}]) == told
    assert unseen([{**sign, "file": str(tmp_path / "absent")}]) == told
    assert unseen([sign, {"file": str(tmp_path)}]) == ""
    assert unseen([sign, {"file": "/no/model"}]) == "it does not see /no/model"


def test_a_worker_says_that_it_takes_part_or_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(working._ME, "pins", PINS)
    assert admit({"job": JOB, "signs": []}) == ""
    assert admit({"job": {**JOB, "toolchain": "light"}, "signs": []}) != ""
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["because"] for one in said] == ["", "its toolchain is tested, the job's is light"]


def task(title: str) -> dict[str, Any]:
    return {"run": "r", "title": title, "environ": {"SAID": title}, "task": {}}


def test_a_task_is_done_by_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os; print('news'); print('{\"results\": [\"' + os.environ['SAID'] + '\"]}')"
    monkeypatch.setattr(working, "_ME", {"environ": {}, "command": [sys.executable, "-c", code]})
    assert make(task("a")) == {"results": ["a"]}
    assert working._RUNNING["r"] == []


def test_a_process_without_an_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        working, "_ME", {"environ": {}, "command": [sys.executable, "-c", "raise SystemExit(9)"]}
    )
    assert make(task("a")) == {"error": "its process ended without an answer (exit code 9)"}


def test_a_run_that_was_ended_begins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "_STOPPED", {"r"})
    assert make(task("a")) == {"error": "its job was ended"}
