"""How `sdcoreml jobs` makes folders: here or by a cluster, all or the rest, in words or JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands import jobs
from sdcoreml.doctor.commands.jobs_batch import Batch
from sdcoreml.doctor.commands.jobs_run import Result, State
from sdcoreml.envs.cluster.folder import Credentials, keep_credentials, stage_credentials
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.doctor.commands.test_inspect import unpacked

TWO = "".join(f'[[models]]\nmodel = "model"\nsize = "{one}x{one}"\n' for one in (64, 128))
FOLDERS = [f"models/model-split-einsum_{one}x{one}" for one in (64, 128)]


class Made:
    """A run that makes nothing, and fails for the folders in `failing`; `heard` is all it hears."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.heard, self.failing = folder, list[Any](), set[str]()
        self.environment = SimpleNamespace(path=folder / "env")
        (folder / "jobs.toml").write_text(TWO)
        commands = "sdcoreml.doctor.commands."
        monkeypatch.setattr(f"{commands}convert_environment.choose_environment", self._choose)
        monkeypatch.setattr(f"{commands}jobs_cluster.make", self._by_cluster)
        monkeypatch.setattr("sdcoreml.envs.kept.users.use", self._use)
        monkeypatch.setattr("sdcoreml.envs.cluster.dask.find_dask", lambda *_: "dask")
        monkeypatch.setattr(jobs, "open_run", self._open)

    def _choose(self, *given: Any) -> tuple[Any, Any]:
        name, emit, options, goal, needs = given
        self.heard.append((name, options.backend, goal, needs))
        emit(Event(kind="step", text="look"))
        return load_toolchain(name), self.environment

    @contextmanager
    def _use(self, path: Path) -> Iterator[None]:
        self.heard.append(path.name)
        yield
        self.heard.append("left")

    def _open(self, *given: Any) -> Any:
        args, toolchain, environment, opener, cache = given
        assert (environment, cache.folder) == (self.environment, self.folder / "cache")
        self.heard.append((toolchain.name, args.workers, opener.run))
        return SimpleNamespace(make=self._make)

    def _make(self, batches: Sequence[Batch]) -> tuple[Result, ...]:
        outputs = [job.output for batch in batches for job in batch.jobs]
        self.heard.append([os.path.relpath(one, self.folder) for one in outputs])
        return tuple(
            Result(
                state=State.FAILED if one.name in self.failing else State.DONE,
                place="models[0]",
                model="model",
                folder=str(one),
            )
            for one in outputs
        )

    def _by_cluster(self, *given: Any) -> tuple[Result, ...]:
        _, batches, file, cluster, dask = given
        self.heard.append((file.path, cluster.address, dask))
        return self._make(batches)

    def run(self, *words: str) -> int:
        return main(["jobs", "jobs.toml", *words])


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setenv("SDCOREML_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    for name in ("TOOLCHAIN", "BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    unpacked(tmp_path)
    return Made(tmp_path, monkeypatch)


def test_all_folders_are_made_in_the_environment_that_is_in_use_meanwhile(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made.run("--workers", "3") == 0
    wide = {"toolchain": "tested", "workers": 3}
    assert made.heard == [
        *(("tested", "venv", None, ""), "env", ("tested", 3, wide), FOLDERS, "left")
    ]
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "2 done"
    assert err.startswith("- look\n")


def test_events_and_results_are_lines_of_json(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    made.failing = {Path(FOLDERS[1]).name}
    assert made.run("--json") == 1
    assert made.heard[2] == ("tested", None, {"toolchain": "tested", "workers": None})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(one.get("text") == "look" for one in lines[:-1])
    assert lines[-1]["event"] == "table"
    assert [one["state"] for one in lines[-1]["results"]] == ["done", "failed"]


def test_what_the_last_run_left_is_made_alone(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    made.failing = {Path(FOLDERS[1]).name}
    made.run()
    made.failing = set()
    assert made.run("--retry-failed") == 0
    assert made.heard[-2] == FOLDERS[1:]
    capsys.readouterr()
    assert made.run("--retry-failed") == 2
    assert "jobs.toml: its last run left nothing undone; " in capsys.readouterr().err


def test_a_cluster_makes_them_and_knows_no_current_folder(made: Made, tmp_path: Path) -> None:
    with stage_credentials(tmp_path / "net", Credentials(certificate="C", key="K")) as new:
        keep_credentials(tmp_path / "net", new, "tls://127.0.0.1:1")
    assert made.run("--cluster", "net") == 0
    assert made.heard[3] == (tmp_path / "jobs.toml", "tls://127.0.0.1:1", "dask")
    assert made.heard[4] == FOLDERS
