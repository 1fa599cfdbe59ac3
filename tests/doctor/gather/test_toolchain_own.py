"""All facts about a toolchain of one's own and its environment, whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.core.facts import (
    Absent,
    EnvironmentFacts,
    InterpreterFacts,
    LockFacts,
    Proof,
    Smoke,
    ToolchainFacts,
    Unknown,
    VerificationFacts,
)
from sdcoreml.doctor.gather import toolchain
from sdcoreml.doctor.gather.probe import Probe, RunResult
from sdcoreml.envs.building.base import name_of
from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.pythons.interpreter import Interpreter
from sdcoreml.lockfiles.evidence import append_evidence
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.doctor.gather.test_toolchain import built
from tests.envs.kept.test_store import finished
from tests.envs.wheels import VERSION
from tests.envs.wheels import toolchain as write_toolchain
from tests.lockfiles.test_evidence import PROOF

Own = tuple[str, Environment]


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    return tmp_path


COMMIT = "c0ffee00" * 5


@pytest.fixture
def own(tmp_path: Path, environments: Path) -> Own:
    """A toolchain of one's own, and its environment in use, sealed as a build seals one."""
    folder = tmp_path / "toolchains/mine"
    folder.parent.mkdir()
    name = write_toolchain(folder, {"one==1.0": "0" * 64, "two==2.1": "1" * 64}, name="mine")
    with (folder / "toolchain.toml").open("a") as file:
        file.write(f'[upstream]\nrepository = "https://example.org/x"\ncommit = "{COMMIT}"\n')
    made = finished(environments / ("a" * 16))
    site = made.path / "lib/python3.10/site-packages"
    (site / "one-1.0.dist-info").mkdir(parents=True)
    (site / "one.py").write_text("1")
    (site / "one-1.0.dist-info/RECORD").write_text("one.py,,\n")
    entries = manifest.take(made.path)
    seal = manifest.seal_of(entries, made.facts())
    made = replace(made, name="mine", toolchain="mine", files=2, seal=seal)
    manifest.write(entries, made.path)
    manifest.write((), made.path, manifest.BENEATH)
    store.write(made)
    (environments / name_of(load_toolchain(name), "venv")).symlink_to(made.path.name)
    return name, made


def test_all_that_is_said_of_ones_own_toolchain(own: Own) -> None:
    assert toolchain.toolchain(own[0], ("unet: x",)) == ToolchainFacts(
        name="mine",
        python=VERSION,
        accepted=">=3.10",
        pins={"one": "1.0", "two": "2.1"},
        targets=(host_target(),),
        refused={},
        repository="https://example.org/x",
        commit=COMMIT,
        disk=2.0,
        memory=2.0,
        installed_bytes=1000,
        installed_files=40_000,
        backend="venv",
        certified=("unet: x",),
        address=own[0].removesuffix("/"),
    )


def test_the_measured_figures_of_a_toolchain_are_all_taken() -> None:
    loaded, found = load_toolchain("tested"), toolchain.toolchain("tested")
    measured = (found.rates, found.peaks, found.parallel, found.measured_on)
    of_it = loaded.measured
    assert measured == (of_it.rates, of_it.peaks, of_it.parallel, of_it.on)
    assert (found.refused, found.certified) == (loaded.refused, ())
    assert toolchain.measured("tested") == replace(found, certified=toolchain.list_certified())


def test_a_certified_graph_is_told_without_its_target() -> None:
    known = toolchain.list_certified()
    assert "unet: Stable Diffusion 1.x, ORIGINAL, 512x512" in known
    assert list(known) == sorted({*known})


def test_all_that_is_said_of_a_lock(own: Own) -> None:
    folder = Path(own[0])
    found = toolchain.lock(own[0])
    assert found == LockFacts(
        path=str(folder / f"requirements.{host_target()}.txt"),
        digest=load_lock(own[0], host_target()).digest,
        packages={"one": "1.0", "two": "2.1"},
    )
    (folder / f"pylock.{host_target()}.toml").write_text("size = 12\nsize = 30\n # size = 5\n")
    assert toolchain.lock(own[0]) == replace(found, download=42)


def test_a_machine_that_nobody_locked_for_has_no_lock(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdcoreml.lockfiles.target.host_target", lambda: "vax")
    assert toolchain.lock(own[0]) == Absent(reason="no lock for vax")


def test_the_proofs_of_this_machine_are_told_the_wholest_last(own: Own) -> None:
    loaded, here = load_toolchain(own[0]), replace(PROOF, target=host_target())
    families = replace(here, families={"sd1": "4 programs"}, when="2026-11-25T00:00:00+00:00")
    for one in (families, here, replace(PROOF, target="vax")):
        append_evidence(loaded, one)
    told = Proof(
        when="2026-11-24T03:30:00+00:00",
        system="Linux 6.1",
        cpu="x86_64",
        python="3.10.13",
        lock_digest="10cc",
        seal="5ea1",
        figures=PROOF.figures(),
    )
    later = replace(told, when="2026-11-25T00:00:00+00:00", figures="sd1 works")
    assert toolchain.evidence(own[0]).proofs == (told, later)


def test_an_environment_is_told_with_its_backend(own: Own) -> None:
    found = toolchain.environment(own[0], "Linux")
    assert isinstance(found, EnvironmentFacts)
    told = (found.python, found.lock_digest, found.seal, found.drift, found.backend)
    assert told == ("3.10.10", "10cc", own[1].seal, False, "venv")
    assert found.installed == {"one": "1.0"}


def test_what_was_touched_is_compared_and_all_that_differs_is_told(
    own: Own,
) -> None:
    name, made = own
    well = toolchain.verification(name, Probe(), deep=True)
    assert isinstance(well, VerificationFacts)
    assert (well.depth, well.strays, well.beneath) == ("every byte", (), ())
    assert (well.brought, well.former) == (False, False)
    site = made.path / "lib/python3.10/site-packages"
    time.sleep(0.02)
    (site / "one.py").write_text("22")
    (site / "new.py").touch()
    place = "lib/python3.10/site-packages"
    found = toolchain.verification(name, Probe(), deep=False)
    assert isinstance(found, VerificationFacts)
    assert replace(found, faults=tuple(sorted(found.faults))) == replace(
        well,
        depth="sizes and times",
        owners={**well.owners, "one": 1},
        faults=tuple(sorted((*well.faults, f"{place}/one.py: 2 bytes, was 1 (one)"))),
        strays=(f"{place}/new.py",),
    )


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        (RunResult(code=0, out="", err=""), True),
        (RunResult(code=0, out="a", err=""), False),
        (RunResult(code=1, out="", err=""), False),
        (Unknown(reason="no find"), False),
    ],
)
def test_only_a_look_that_found_nothing_says_that_nothing_was_touched(
    environments: Path,
    outcome: RunResult | Unknown,
    found: bool,  # noqa: FBT001
) -> None:
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str], /, *, seconds: float = 0) -> RunResult | Unknown:
        asked.append(command)
        assert seconds == 0, "the usual time"
        return outcome

    made = store.read("tested", built(environments))
    assert made is not None
    assert toolchain.is_untouched(made, Probe(run=run)) is found
    assert [one[0] for one in asked] == ["find"]


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        (
            RunResult(code=0, out='noise\n{"two": "ImportError: no"}', err=""),
            Smoke(imported=("one",), failures={"two": "ImportError: no"}),
        ),
        (RunResult(code=0, out="{}", err=""), Smoke(imported=("one", "two"), failures={})),
        (RunResult(code=-11, out="", err="a\nkilled"), Unknown(reason="killed")),
        (RunResult(code=3, out="[1]", err=""), Unknown(reason="exit code 3")),
        (Unknown(reason="it takes too long"), Unknown(reason="it takes too long")),
    ],
)
def test_what_an_import_of_the_pins_says(
    own: Own,
    outcome: RunResult | Unknown,
    found: Smoke | Unknown,
) -> None:
    asked: list[tuple[Sequence[str], float]] = []

    def run(command: Sequence[str], /, *, seconds: float = 0) -> RunResult | Unknown:
        asked.append((command, seconds))
        return outcome

    assert toolchain.smoke(own[0], Probe(run=run)) == found
    python = str(own[1].path.resolve() / "bin/python")
    ((command, seconds),) = asked
    assert (command[:3], command[4:], seconds) == ((python, "-I", "-c"), ("one", "two"), 120.0)


def test_the_python_to_build_with_is_told_or_why_there_is_none(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = load_toolchain(own[0]).python
    here = Interpreter(
        path=Path("/p/python"),
        version=VERSION,
        implementation="CPython",
        target=host_target(),
        source="pyenv",
    )
    found: list[Interpreter] = [here]
    asked: list[object] = []

    def find(pin: object) -> list[Interpreter]:
        asked.append(pin)
        return found

    monkeypatch.setattr("sdcoreml.envs.pythons.interpreter.find_interpreters", find)
    told = toolchain.interpreter(own[0], rebuild=True)
    assert told == InterpreterFacts(version=VERSION, path="/p/python", source="pyenv")
    assert asked == [pin]
    found.clear()
    assert toolchain.interpreter(own[0], rebuild=True) == Absent(reason="no suitable Python found")
    assert toolchain.interpreter(own[0]) == Absent(reason="the environment is built")
    monkeypatch.setenv("BACKEND", "conda")
    assert toolchain.interpreter(own[0]) == Unknown(
        reason="conda's Python comes with its packages, and is examined then"
    )
