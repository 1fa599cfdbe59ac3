from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sdcoreml.convert.proof.record import FigureRecord, ProgramProof
from sdcoreml.doctor.proving.trials import (
    Golden,
    Suite,
    Trial,
    TrialResult,
    floors,
    packages_of,
    prove,
)
from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.ground.errors import EnvError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.convert.stand_ins import proof
from tests.envs.wheels import PYTHON, VERSION, standard_wheels, toolchain


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Toolchain, Environment]:
    folder = tmp_path_factory.mktemp("pristine")
    locked = standard_wheels(folder / "wheels")
    tiny = load_toolchain(toolchain(folder / "tiny", locked))
    source = PackageSource(wheels=folder / "wheels")
    options = BuildOptions(python=PYTHON, source=source, root=folder / "envs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(folder / "cache"))
        return tiny, build(tiny, options=options)


@pytest.fixture
def tiny(pristine: tuple[Toolchain, Environment]) -> Toolchain:
    return pristine[0]


@pytest.fixture
def made(pristine: tuple[Toolchain, Environment], tmp_path: Path) -> Environment:
    copy = tmp_path / "envs" / "copy"
    shutil.copytree(pristine[1].path, copy, symlinks=True)
    return replace(pristine[1], path=copy)


@dataclass
class Passed:
    """A trial with a fixed result; if `stray` is set, it first adds that file to the packages."""

    outcome: TrialResult
    stray: str = ""

    def run(self, environment: Environment, emit: Emit) -> TrialResult:
        del emit
        if self.stray:
            (site_packages(environment.path) / self.stray).write_text("")
        return self.outcome


def test_a_proof_names_machine_environment_and_figures(made: Environment) -> None:
    trials: list[Trial] = [
        Passed(TrialResult(ran="make inside", result="3 tests passed", tests=3)),
        Passed(TrialResult(ran="a", result="x", psnr={"fp32": 120.0, "fp16": 70.0})),
        Passed(TrialResult(ran="b", result="y", tests=4, psnr={"fp32": 118.5})),
        Passed(TrialResult(ran="c", result="z", families={"sd1": "4"}, certificates="1 of 2")),
        Passed(TrialResult(ran="d", result="", families={"sd2": "no"}, certificates="3 of 4")),
    ]
    proof = prove(made, trials)
    assert (proof.seal, proof.lock, proof.target) == (made.seal, made.lock_digest, made.target)
    assert (proof.python, proof.tests) == (VERSION, 7)
    assert proof.psnr == {"fp32": 118.5, "fp16": 70.0}
    assert (proof.ran, proof.result) == ("make inside; a; b; c; d", "3 tests passed; x; y; z; ")
    assert proof.families == {"sd1": "4", "sd2": "no"}
    assert proof.certificates == "1 of 2; 3 of 4"
    assert proof.cpu.endswith(" cores")
    assert any(letter.isdigit() for letter in proof.system)
    assert proof.when.endswith("+00:00")


def test_a_trial_that_changes_the_environment_proves_nothing(made: Environment) -> None:
    with pytest.raises(EnvError, match=r"evil\.pth: not part .*what was run changed the environ"):
        prove(made, [Passed(TrialResult(ran="a", result="x"), stray="evil.pth")])


def test_a_damaged_environment_proves_nothing(made: Environment) -> None:
    (site_packages(made.path) / "one.py").unlink()
    with pytest.raises(EnvError, match=r"\bonly a sound environment proves something"):
        prove(made, [Passed(TrialResult(ran="a", result="x"))])


def runner(folder: Path, body: str) -> Path:
    """Write a stand-in for tests/inside/runner.py, with this body."""
    (folder / "runner.py").write_text(f"import os, sys\n{body}")
    return folder / "runner.py"


def test_the_tests_are_counted_by_their_last_line(
    made: Environment, tiny: Toolchain, tmp_path: Path
) -> None:
    body = "print('...'); print(f\"788 passed, 2 skipped in {os.environ['TOOLCHAIN']}\")"
    proof = prove(made, [Suite(toolchain=tiny, runner=runner(tmp_path, body))])
    assert (proof.tests, proof.result, proof.ran) == (788, "788 tests passed", "make inside")


PYTEST = """\
print('- build tested\\n  Python 3.10.13\\n', file=sys.stderr)
print('.....s..F............................................................... [  7%]')
print('................................                                         [100%]')
print('FAILED tests/inside/test_a.py::test_b - assert 1 == 2')
print('1 failed, 102 passed in 96.78s (0:01:36)')
sys.exit(1)
"""


def test_who_waits_for_the_tests_hears_how_far_they_are_and_what_failed(
    made: Environment, tiny: Toolchain, tmp_path: Path
) -> None:
    heard: list[Event] = []
    suite = Suite(toolchain=tiny, runner=runner(tmp_path, PYTEST))
    with pytest.raises(EnvError, match=r"exit code 1 \(1 failed, 102 passed in 96.78s"):
        suite.run(made, heard.append)
    assert [event for event in heard if event.kind == "note"] == [
        Event(kind="note", text="build tested"),
        Event(kind="note", text="Python 3.10.13"),
    ]
    assert [event for event in heard if event.kind != "note"] == [
        Event(kind="step", text="run the tests in it (minutes)"),
        Event(kind="progress", done=7, total=100, unit="%"),
        Event(kind="progress", done=100, total=100, unit="%"),
        Event(kind="warning", text="FAILED tests/inside/test_a.py::test_b - assert 1 == 2"),
    ]


def test_a_share_in_other_words_is_no_progress(
    made: Environment, tiny: Toolchain, tmp_path: Path
) -> None:
    heard: list[Event] = []
    body = "print('[ 50%] of nothing'); print('3 passed')"
    Suite(toolchain=tiny, runner=runner(tmp_path, body)).run(made, heard.append)
    assert [event.kind for event in heard] == ["step"]


def test_it_is_told_while_the_tests_run_and_not_afterwards(
    made: Environment, tiny: Toolchain, tmp_path: Path
) -> None:
    flag = tmp_path / "heard"
    body = f"""
import pathlib, time
print('.. [ 50%]', flush=True)
limit = time.monotonic() + 120
while not pathlib.Path({str(flag)!r}).exists() and time.monotonic() < limit:
    time.sleep(0.01)
print('2 passed' if time.monotonic() < limit else 'nobody listened')
"""

    def emit(event: Event) -> None:
        if event.kind == "progress":
            flag.touch()

    assert Suite(toolchain=tiny, runner=runner(tmp_path, body)).run(made, emit).tests == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('1 failed, 3 passed'); sys.exit(1)", r"exit code 1 \(1 failed, 3 passed\); noth"),
        ("print('no tests ran')", "says 'no tests ran', not how many tests passed"),
    ],
)
def test_tests_that_did_not_pass_prove_nothing(
    made: Environment, tiny: Toolchain, tmp_path: Path, body: str, words: str
) -> None:
    with pytest.raises(EnvError, match=words) as caught:
        prove(made, [Suite(toolchain=tiny, runner=runner(tmp_path, body))])
    assert "\n" not in str(caught.value)


def test_without_a_checkout_there_are_no_tests_to_pass(made: Environment, tiny: Toolchain) -> None:
    with pytest.raises(EnvError, match=r"\buse a clone of the project"):
        prove(made, [Suite(toolchain=tiny, runner=Path("/nowhere/runner.py"))])


def golden(folder: Path, body: str) -> Path:
    """Make a checkout whose module of golden programs is a stand-in with this body."""
    place = folder / "checkout" / "tests" / "inside" / "convert"
    place.mkdir(parents=True)
    (place / "golden.py").write_text(f"import sys\n{body}")
    return folder / "checkout"


def test_golden_programs_are_built_in_the_environment(made: Environment, tmp_path: Path) -> None:
    body = "print(sys.prefix, *sys.argv[1:]); print('50 programs, 156 files identical')"
    proof = prove(made, [Golden(checkout=golden(tmp_path, body))])
    assert proof.ran == "python -m tests.inside.convert.golden --check"
    assert proof.result == proof.figures() == "50 programs, 156 files identical"


def test_other_bytes_than_the_golden_ones_prove_nothing(made: Environment, tmp_path: Path) -> None:
    checkout = golden(tmp_path, "print('unet: bytes differ from golden.json'); sys.exit(1)")
    with pytest.raises(EnvError, match=r"exit code 1 \(unet: bytes differ from golden\.json\)"):
        prove(made, [Golden(checkout=checkout)])


def test_the_lowest_figure_of_each_mode_is_the_floor() -> None:
    def checked(*outputs: tuple[str, float]) -> ProgramProof:
        figures = (FigureRecord(output="y", mode=mode, psnr=psnr) for mode, psnr in outputs)
        return proof("unet", outputs=tuple(figures))

    proofs = [
        checked(("fp32", 127.1), ("fp16", 71.8)),
        checked(("fp32", 135.4), ("fp16", 68.8), ("fp32", 126.0)),
        checked(),
    ]
    assert floors(proofs) == {"fp32": 126.0, "fp16": 68.8}


def test_only_packages_and_compiled_folders_are_compared(tmp_path: Path) -> None:
    for name in ("Unet.mlpackage/Manifest.json", "Unet.mlmodelc/model.mil", "manifest.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert sorted(packages_of(tmp_path)) == [
        "Unet.mlmodelc/model.mil",
        "Unet.mlpackage/Manifest.json",
    ]
