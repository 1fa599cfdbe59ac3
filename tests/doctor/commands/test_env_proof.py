"""What `env verify` and `env repair` say."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sdcoreml.doctor.commands import env_proof
from sdcoreml.envs.care.repair import RepairResult
from sdcoreml.envs.kept.damage import Damage
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import VerifyResult
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.errors import EnvError
from sdcoreml.ground.events import Emit
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.kept.sealed import SITE, sealed


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    environment = sealed(tmp_path)
    monkeypatch.setattr(env_proof, "require_environment", lambda _: environment)
    return environment


def given(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    verify, _ = env_proof.ACTIONS
    verify.configure(parser)
    return parser.parse_args(words)


def test_what_is_as_sealed_is_said_in_one_line(
    made: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, depth in ((), "sizes, times and modes"), (("--full",), "every byte"):
        assert env_proof.verify(given(*words)) == 0
        out, err = capsys.readouterr()
        said = out.replace(made.title, "T").replace(f"{made.seal}", "S").split(": ", 1)[1]
        assert said.endswith(f" files as sealed ({depth}), seal S\n")
        assert ("compare every byte with the seal" in err) is bool(words)


def test_an_altered_byte_is_found_where_every_one_is_compared(
    made: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    one = made.path / SITE / "one.py"
    status = one.stat()
    one.write_text("!" + one.read_text()[1:])
    os.utime(one, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(EnvError):
        env_proof.verify(given("--full"))
    assert "one.py" in capsys.readouterr().out


def faults(number: int) -> VerifyResult:
    found = tuple(Damage(path=f"a{one}", what="altered", owner="one") for one in range(number))
    return VerifyResult(files=1_500, faults=found)


@pytest.mark.parametrize(
    ("number", "last"),
    [
        (1, "a0: altered (one)"),
        (20, "a19: altered (one)"),
        (23, "... and 3 more (--json lists all)"),
    ],
)
def test_twenty_differences_are_listed(
    made: Environment,
    number: int,
    last: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sdcoreml.envs.kept.verify.verify_fast", lambda _: faults(number))
    with pytest.raises(EnvError) as caught:
        env_proof.verify(given())
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (min(number, 21), "a0: altered (one)", last)
    assert str(caught.value) == (
        f"{made.path}: {number} of 1,500 files differ from the seal; `sdcoreml env repair`"
        " restores them"
    )


def test_as_json_all_are_told_and_nothing_else_is_printed(
    made: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert env_proof.verify(given("--json")) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["seal"], told["faults"]) == (1, made.seal, [])
    monkeypatch.setattr("sdcoreml.envs.kept.verify.verify_fast", lambda _: faults(25))
    assert env_proof.verify(given("--json")) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == 1_500
    assert len(told["faults"]) == 25
    assert told["faults"][24] == {"path": "a24", "what": "altered", "owner": "one"}


def test_all_counts_as_looked_at_from_a_moment_before_every_byte_was(
    made: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Environment, int]] = []
    monkeypatch.setattr(
        "sdcoreml.envs.kept.store.touch", lambda one, moment: told.append((one, moment))
    )
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    env_proof.verify(given())
    assert told == []
    env_proof.verify(given("--full"))
    assert told == [(made, 10**18 - 50_000_000)]
    one = made.path / SITE / "one.py"
    one.write_text("!" + one.read_text()[1:])
    with pytest.raises(EnvError):
        env_proof.verify(given("--full"))
    assert len(told) == 1


@pytest.mark.usefixtures("made")
def test_a_record_of_somebody_else_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("it is theirs")

    monkeypatch.setattr("sdcoreml.envs.kept.store.touch", refuse)
    assert env_proof.verify(given("--full")) == 0


@dataclass
class Repairer:
    """Stands for the repair: keeps what it was asked for."""

    done: RepairResult
    asked: dict[str, object] = field(default_factory=dict)

    def __call__(self, environment: Environment, *, emit: Emit, **asked: object) -> RepairResult:
        del emit
        self.asked = {"environment": environment, **asked}
        return self.done


@pytest.fixture
def repairer(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], Repairer]:
    def make(restored: int, removed: int) -> Repairer:
        done = RepairResult(
            restored=tuple(f"a{one}" for one in range(restored)),
            removed=tuple(f"b{one}" for one in range(removed)),
        )
        repairer = Repairer(done)
        monkeypatch.setattr("sdcoreml.envs.care.repair.repair", repairer)
        return repairer

    return make


def test_a_repair_says_what_it_did(
    made: Environment,
    repairer: Callable[[int, int], Repairer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = repairer(2, 1)
    args = argparse.Namespace(installer="pip", toolchain="tested", find_links=Path("/wheels"))
    assert env_proof.repair(args) == 0
    assert capsys.readouterr().out.splitlines() == [
        "restored a0",
        "restored a1",
        "removed b0",
        f"{made.title}: 2 restored, 1 removed; as sealed, seal {made.seal}",
    ]
    assert done.asked == {
        "environment": made,
        "toolchain": load_toolchain("tested"),
        "source": PackageSource(wheels=Path("/wheels")),
        "installer": "pip",
    }


def test_a_long_repair_is_listed_in_part(
    made: Environment,
    repairer: Callable[[int, int], Repairer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = repairer(21, 1_300)
    assert env_proof.repair(argparse.Namespace(toolchain="tested")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [lines[19], lines[20], lines[39]] == ["restored a19", "removed b0", "removed b19"]
    assert lines[40:] == [f"{made.title}: 21 restored, 1,300 removed; as sealed, seal {made.seal}"]
    assert done.asked["installer"] == ""
