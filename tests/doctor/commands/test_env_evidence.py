"""`sdcoreml env evidence` with words: what Macs measured; which trials prove a toolchain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.env_evidence import record, trials_of
from sdcoreml.doctor.proving.own import NAMES, Families
from sdcoreml.doctor.proving.trials import Golden, Same, Sample, Suite, Trial
from sdcoreml.envs.building.base import name_of
from sdcoreml.envs.building.build import BuildOptions
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.events import Emit, silent
from sdcoreml.ground.places import ROOT
from sdcoreml.lockfiles.evidence import Evidence, load_evidence
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain, load_variants
from tests.envs.kept.test_store import finished
from tests.envs.wheels import toolchain
from tests.lockfiles.test_evidence import PROOF

ZEROS = "0" * 64


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the toolchains `full`, with torch, and `slim`, without."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toolchains").mkdir()
    toolchain(tmp_path / "toolchains/full", {"torch==2.2.0": ZEROS}, name="full")
    toolchain(tmp_path / "toolchains/slim", {"one==1.0": ZEROS}, name="slim")
    return tmp_path


def kinds(toolchain: Toolchain) -> list[type]:
    return [type(trial) for trial in trials_of(toolchain)]


def test_each_kind_of_toolchain_has_its_trials(own: Path) -> None:
    light = load_toolchain("light")
    assert kinds(load_toolchain("tested")) == [Suite, Sample]
    assert kinds(light) == [Same]
    assert kinds(load_variants(light)[1]) == [Golden]
    full, slim = load_toolchain(f"{own}/toolchains/full/"), load_toolchain("slim")
    assert trials_of(full) == (Families(toolchain=full, names=NAMES),)
    assert trials_of(full, ["sd2"]) == (Families(toolchain=full, names=("sd2",)),)
    assert trials_of(slim) == (Same(toolchain=slim, base=load_toolchain("tested")),)


@pytest.mark.parametrize("name", ["slim", "tested"])
@pytest.mark.usefixtures("own")
def test_families_are_chosen_of_what_is_tried_with_them(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", "prove", name, "--family", "sd1"]) == 2
    assert f"--family: {name} is proved as a whole" in capsys.readouterr().err


def test_what_is_proved_is_told_recorded_and_listed(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = replace(
        PROOF, families={"sd1": "4 programs", "sdxl": "fails: no such class"}, seal="5ea1" * 16
    )
    record(load_toolchain("slim"), proof)
    assert capsys.readouterr().out.splitlines() == [
        "  sd1         4 programs",
        "  sdxl        fails: no such class",
        "slim: sd1 works, sdxl fails, seal 5ea15ea15ea15ea1",
        "recorded in toolchains/slim/evidence.toml",
    ]
    assert load_evidence(load_toolchain("slim")) == (proof,)
    assert main(["env", "evidence", "--toolchain", "slim"]) == 0
    assert capsys.readouterr().out == (
        "2026-11-24T03:30 linux-x86_64, Linux 6.1, x86_64, Python 3.10.13, "
        "seal 5ea15ea15ea15ea1: pytest -q: sd1 works, sdxl fails\n"
    )
    assert own.is_dir()


def test_the_page_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "evidence", "page"]) == 0
    assert capsys.readouterr().out == (ROOT / "convert" / "MACS.md").read_text()


def test_what_is_no_measurement_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mac.json"
    file.write_text("{}")
    assert main(["env", "evidence", "add", str(file)]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {file}: field 'schema' is missing; give a file that ")


def test_other_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "evidence", "add"]) == 2
    assert ": `add FILE` and `page` are known" in capsys.readouterr().err


@pytest.fixture
def proving(own: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Environment, object]]:
    """A stand-in for the trials, which would take minutes; it records what is proved by which."""
    asked: list[tuple[Environment, object]] = []

    def prove(environment: Environment, trials: Sequence[Trial], emit: Emit = silent) -> Evidence:
        del emit
        asked.append((environment, trials))
        return replace(PROOF, families={"sd1": "4 programs"}, seal="5ea1" * 16)

    monkeypatch.setenv("SDCOREML_ENVS", str(own / "envs"))
    monkeypatch.setattr("sdcoreml.doctor.proving.trials.prove", prove)
    return asked


SAID = [
    "  sd1         4 programs",
    "full: sd1 works, seal 5ea15ea15ea15ea1",
    "recorded in toolchains/full/evidence.toml",
]


def test_a_toolchain_is_proved_in_the_environment_that_is_there(
    own: Path, proving: list[tuple[Environment, object]], capsys: pytest.CaptureFixture[str]
) -> None:
    full = load_toolchain("full")
    assert main(["env", "evidence", "--prove", "--toolchain", "full"]) == 1
    assert "no environment built; run `sdcoreml env`" in capsys.readouterr().err
    made = finished(own / "envs" / ("a" * 16))
    (own / "envs" / name_of(full, "venv")).symlink_to(made.path.name)
    assert main(["env", "evidence", "--prove", "--toolchain", "full"]) == 0
    assert capsys.readouterr().out.splitlines() == SAID
    ((environment, trials),) = proving
    assert environment.path == made.path
    assert trials == (Families(toolchain=full, names=NAMES),)


@pytest.mark.parametrize("words", [("full",), ("--toolchain", "full")])
def test_a_toolchain_is_built_and_proved_with_the_families_that_are_named(
    words: tuple[str, ...],
    own: Path,
    proving: list[tuple[Environment, object]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = finished(own / "envs" / ("a" * 16))
    built: list[tuple[str, BuildOptions]] = []

    def environment_for(toolchain: Toolchain, _: Emit, *, options: BuildOptions) -> Environment:
        built.append((toolchain.name, options))
        return made

    monkeypatch.setattr("sdcoreml.doctor.commands.preflight.environment_for", environment_for)
    more = ("--family", "sd2", "--family", "sdxl", "--index", "https://mirror.invalid/simple")
    assert main(["env", "prove", *words, *more]) == 0
    assert capsys.readouterr().out.splitlines() == SAID
    source = PackageSource(index="https://mirror.invalid/simple")
    assert built == [("full", BuildOptions(backend="venv", source=source))]
    full = load_toolchain("full")
    assert proving == [(made, (Families(toolchain=full, names=("sd2", "sdxl")),))]
    assert len(load_evidence(full)) == 1
