"""What a proof says of the machine and the environment, and what is told while it is made."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from sdcoreml.doctor.proving.trials import TrialResult, name_of, prove
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.errors import EnvError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.lockfiles.evidence import Evidence
from tests.doctor.healthy import SYSTEM
from tests.envs.kept.sealed import SITE, sealed

COMPARE = Event(kind="step", text="compare every byte with the seal")


class Done:
    """A trial that tells that it ran, and may leave a file in the environment."""

    def __init__(self, outcome: TrialResult, stray: str = "") -> None:
        self.outcome, self.stray = outcome, stray

    def run(self, environment: Environment, emit: Emit) -> TrialResult:
        emit(Event(kind="note", text="it runs"))
        if self.stray:
            (environment.path / SITE / self.stray).touch()
        return self.outcome


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    here = replace(SYSTEM, name="Linux", version="6.1", processor="", machine="x86_64", cores=2)
    monkeypatch.setattr("sdcoreml.doctor.proving.trials.system", lambda _: here)
    monkeypatch.setattr(
        "platform.freedesktop_os_release", lambda: {"PRETTY_NAME": "Debian GNU/Linux 12"}
    )


def test_a_proof_says_where_it_was_made_and_of_what(tmp_path: Path) -> None:
    made, events = sealed(tmp_path), list[Event]()
    before = datetime.now(timezone.utc).replace(microsecond=0)
    proof = prove(made, [Done(TrialResult(ran="a", result="x" * 1_000))], events.append)
    assert proof == Evidence(
        when=proof.when,
        target="linux-x86_64",
        system="Debian GNU/Linux 12",
        cpu="x86_64, 2 cores",
        python="3.10.10",
        lock=made.lock_digest,
        seal=made.seal,
        ran="a",
        result="x" * 200,
    )
    assert before <= datetime.fromisoformat(proof.when)
    assert "." not in proof.when
    said = [one for one in events if one.kind != "progress"]
    assert said == [COMPARE, Event(kind="note", text="it runs"), COMPARE]


def test_of_each_mode_the_lowest_figure_of_all_trials_counts(tmp_path: Path) -> None:
    figures: tuple[dict[str, float], ...] = ({"fp32": 120.0, "fp16": 70.0}, {"fp16": 71.0}, {})
    trials = [Done(TrialResult(ran="a", result="x", tests=2, psnr=psnr)) for psnr in figures]
    proof = prove(sealed(tmp_path), trials)
    assert (proof.psnr, proof.tests, proof.ran) == ({"fp32": 120.0, "fp16": 70.0}, 6, "a; a; a")


def test_a_trial_that_leaves_a_file_proves_nothing(tmp_path: Path) -> None:
    made = sealed(tmp_path)
    with pytest.raises(EnvError) as caught:
        prove(made, [Done(TrialResult(ran="a", result="x"), stray="evil.pth")])
    assert str(caught.value) == (
        f"{made.path}: {SITE}/evil.pth: not part of it (nobody); what was run changed the"
        " environment; run `sdcoreml env repair`"
    )


def test_a_damaged_environment_is_not_tried(tmp_path: Path) -> None:
    made, events = sealed(tmp_path), list[Event]()
    (made.path / SITE / "one.py").unlink()
    with pytest.raises(
        EnvError, match=r"one\.py: missing \(one\); only a sound environment proves"
    ):
        prove(made, [Done(TrialResult(ran="a", result="x"))], events.append)
    assert [one for one in events if one.kind != "progress"] == [COMPARE]


@pytest.mark.parametrize("error", [OSError, KeyError])
def test_a_system_without_a_name_of_its_own_has_its_kernel_s(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> dict[str, str]:
        raise error

    monkeypatch.setattr("platform.freedesktop_os_release", fail)
    assert name_of(replace(SYSTEM, name="macOS", version="14.5")) == "macOS 14.5"
