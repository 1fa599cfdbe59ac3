"""Facts about the real toolchain, and about an environment written by the test."""

from __future__ import annotations

import os
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn

import pytest

from sdcoreml.doctor.core.facts import (
    Absent,
    EnvironmentFacts,
    Goal,
    LockFacts,
    Smoke,
    ToolchainFacts,
    Unknown,
    VerificationFacts,
)
from sdcoreml.doctor.gather import Request, gather, tasks, toolchain
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.envs.kept import store
from sdcoreml.envs.pythons.interpreter import Interpreter
from sdcoreml.lockfiles.toolchain import load_toolchain


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    return tmp_path


def built(root: Path) -> Path:
    """Write an environment with one package, and the record that a build leaves."""
    folder = root / "0123456789abcdef"
    site = folder / "lib/python3.10/site-packages"
    (site / "torch-2.2.0.dist-info").mkdir(parents=True)
    (folder / "sealed").mkdir()
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(sys.executable)
    interpreter = Interpreter(
        path=Path(sys.executable),
        version="3.10.13",
        implementation="CPython",
        target="linux-x86_64",
        source="pyenv",
    )
    store.write(
        store.Environment(
            name="tested",
            path=folder,
            toolchain="tested",
            target="linux-x86_64",
            lock_digest="l" * 64,
            seal="s" * 64,
            interpreter=interpreter,
            drift=True,
            installer="uv",
            built=datetime(2026, 11, 24, tzinfo=timezone.utc),
            files=1,
            size=1,
            defects=(),
        )
    )
    (folder / "sealed/python.tsv").write_text("")
    (root / "tested").symlink_to(folder.name)
    os.utime(folder / "sealed/record.json")
    return folder


def is_untouched(folder: Path) -> bool:
    made = store.read("tested", folder)
    assert made is not None
    return toolchain.is_untouched(made, Probe())


def test_the_toolchain_that_ships() -> None:
    facts = toolchain.toolchain("tested")
    assert facts.commit == load_toolchain().upstream.commit
    assert facts.pins["diffusers"] == "0.23.1"
    assert facts.disk >= 2
    assert facts.installed_bytes > 10**9


def test_certified_graphs_are_read_for_a_model_alone() -> None:
    for goal, is_asked in ((Goal(), False), (Goal(model="/models/x"), True)):
        found = tasks(Request(goal=goal), Probe())["toolchain"]()
        assert isinstance(found, ToolchainFacts)
        assert bool(found.certified) is is_asked


def test_the_lock_of_this_target_has_every_direct_pin() -> None:
    lock = toolchain.lock("tested")
    if isinstance(lock, Absent):
        pytest.skip(lock.reason)
    assert isinstance(lock, LockFacts)
    assert toolchain.toolchain("tested").pins.items() <= lock.packages.items()


def test_an_environment_and_its_record(environments: Path) -> None:
    folder = built(environments)
    facts = toolchain.environment("tested", "Linux")
    assert isinstance(facts, EnvironmentFacts)
    assert facts.installed == {"torch": "2.2.0"}
    assert (facts.python, facts.drift, facts.lock_digest) == ("3.10.13", True, "l" * 64)
    assert facts.path == str(folder.resolve())
    assert isinstance(toolchain.interpreter("tested"), Absent), "there is no need to search"
    again = toolchain.interpreter("tested", rebuild=True)
    assert again != toolchain.interpreter("tested"), "one that is about to be replaced counts not"


def test_a_python_that_is_named_is_left_to_the_build() -> None:
    assert toolchain.interpreter("tested", rebuild=True, python="/x/python") == Unknown(
        reason="/x/python is named, and examined when the environment is built"
    )


def test_nothing_built(environments: Path) -> None:
    assert toolchain.environments() == environments
    for fact in (
        toolchain.environment("tested", "Linux"),
        toolchain.verification("tested", Probe(), deep=False),
        toolchain.smoke("tested", Probe()),
    ):
        assert fact == Absent(reason="the environment is not built (`sdcoreml env`)")


def touch(folder: Path) -> None:
    """Add a file to the environment after it was sealed."""
    time.sleep(0.02)
    (folder / "bin/new").touch()


def test_what_nobody_touched_is_not_compared_file_by_file(environments: Path) -> None:
    folder = built(environments)
    assert is_untouched(folder)
    # There is no manifest here: a comparison would fail.
    assert toolchain.verification("tested", Probe(), deep=False) == VerificationFacts(
        depth="none touched since", files=1
    )


@pytest.mark.parametrize("how", ["write", "add", "remove", "rename"])
def test_every_kind_of_touch_is_seen(environments: Path, how: str) -> None:
    folder = built(environments)
    site = folder / "lib/python3.10/site-packages"
    (site / "a.py").write_text("1")
    settle(folder)
    match how:
        case "write":
            (site / "a.py").write_text("2")
        case "add":
            (site / "b.py").touch()
        case "remove":
            (site / "a.py").unlink()
        case _:
            (site / "a.py").rename(site / "c.py")
    assert not is_untouched(folder)


def settle(folder: Path) -> None:
    """Set the record's time to now, so that it is later than all changes made so far."""
    time.sleep(0.02)
    os.utime(folder / "sealed/record.json")
    time.sleep(0.02)
    assert is_untouched(folder)


def test_sealing_itself_is_no_touch_however_long_its_rename_takes(environments: Path) -> None:
    folder = built(environments)
    settle(folder)
    record = folder / "sealed/record.json"
    record.rename(folder / "sealed/aside").rename(record)
    assert is_untouched(folder)


def test_without_find_the_files_are_compared(environments: Path) -> None:
    made = store.read("tested", built(environments))
    assert made is not None
    probe = Probe(run=lambda *_, **__: Unknown(reason="no find"))
    assert not toolchain.is_untouched(made, probe)


def test_a_manifest_that_is_gone_is_unknown_not_well(environments: Path) -> None:
    touch(built(environments))
    facts = gather(Request(groups=("verification",)), Probe()).facts
    assert "manifest" in str(getattr(facts.verification, "reason", ""))


def test_smoke_names_the_innermost_reason(environments: Path) -> None:
    built(environments)
    facts = toolchain.smoke("tested", Probe())
    assert isinstance(facts, Smoke)
    assert facts.failures["coremltools"] == "ModuleNotFoundError: No module named 'coremltools'"


def test_only_the_groups_asked_for_are_gathered() -> None:
    gathered = gather(Request(groups=("git", "memory")), Probe())
    assert set(gathered.costs) == {"git", "memory"}
    assert gathered.facts.system == Absent(reason="not asked for")


def test_what_has_no_time_is_left_out_and_named() -> None:
    is_over = threading.Event()

    def hang(*_: object, **__: object) -> NoReturn:
        is_over.wait(120)
        raise TimeoutError

    gathered = gather(Request(groups=("git",), seconds=0.0), Probe(system="Linux", run=hang))
    is_over.set()
    assert gathered.left_out == ("git",)
