from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands import convert_environment
from sdcoreml.doctor.commands.convert_environment import (
    choose_environment,
    is_replacement,
    require_torch,
    standing,
)
from sdcoreml.doctor.core.engine import PROVING
from sdcoreml.doctor.core.facts import Goal
from sdcoreml.envs.building.build import BuildOptions
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.errors import ExitCode, NoInterpreterError, UsageError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.lockfiles.evidence import Evidence, append_evidence
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.envs.kept.test_store import finished
from tests.envs.wheels import toolchain


@pytest.fixture
def without_310(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake a machine that cannot obtain Python 3.10, which `tested` needs.

    For any other toolchain, the fake environment is just the toolchain's title.
    """

    def environment_for(
        toolchain: Toolchain, _emit: Emit, *, options: BuildOptions, goal: Goal | None
    ) -> str:
        assert options.provision
        assert goal is None
        if toolchain.name == "tested":
            raise NoInterpreterError("no Python 3.10.10 could be obtained")
        return toolchain.title

    monkeypatch.setattr(convert_environment, "environment_for", environment_for)
    monkeypatch.setattr(convert_environment, "is_python_here", lambda _: True)


@pytest.mark.usefixtures("without_310")
def test_light_converts_where_tested_has_no_python() -> None:
    said: list[Event] = []
    toolchain, environment = choose_environment("tested", said.append, BuildOptions(), None)
    assert toolchain.name == "light"
    assert str(environment) == toolchain.title
    (text,) = (event.text for event in said)
    assert text == (
        f"{toolchain.title} converts in place of tested, for which no Python 3.10.10 nor another"
        " that it accepts can be had; only programs whose graphs are certified pass"
    )


@pytest.mark.usefixtures("without_310")
def test_without_any_python_the_first_reason_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert_environment, "is_python_here", lambda _: False)
    with pytest.raises(NoInterpreterError, match=r"no Python 3\.10\.10 could be obtained"):
        choose_environment("tested", silent, BuildOptions(), None)


@pytest.mark.usefixtures("without_310")
def test_light_replaces_nothing_where_torch_is_needed() -> None:
    with pytest.raises(NoInterpreterError, match=r"no Python 3\.10\.10 could be obtained"):
        choose_environment("tested", silent, BuildOptions(), None, "running every program")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toolchain:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toolchains").mkdir()
    toolchain(tmp_path / "toolchains/mine", {"one==1.0": "0" * 64}, name="mine")
    return load_toolchain("mine")


@pytest.mark.usefixtures("without_310")
def test_nothing_takes_the_place_of_a_toolchain_of_one_s_own(
    mine: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def environment_for(*_: object, **__: object) -> str:
        raise NoInterpreterError("no Python 3.10.10 could be obtained")

    monkeypatch.setattr(convert_environment, "environment_for", environment_for)
    with pytest.raises(NoInterpreterError):
        choose_environment(mine.name, silent, BuildOptions(), None)


def test_whether_a_toolchain_of_one_s_own_is_proved_is_said(
    mine: Toolchain, tmp_path: Path
) -> None:
    made = finished(tmp_path / ("a" * 16), "5ea1" * 16)
    assert standing(mine, made) == Event(
        kind="warning",
        text="mine is not proved: `sdcoreml env prove mine` records what works with it",
    )
    proof = Evidence(
        when="2026-11-29T20:00:00+00:00",
        target=made.target,
        system="Linux",
        cpu="x",
        python=made.interpreter.version,
        lock=made.lock_digest,
        seal=made.seal,
        ran="sdcoreml env prove",
        result="1 of 1 families",
        families={"sd1": "4 programs"},
    )
    append_evidence(mine, proof)
    assert standing(mine, made) == Event(
        kind="note", text="mine was proved on 2026-11-29: sd1 works"
    )
    assert standing(mine, replace(made, seal="0" * 64)).text == (
        "mine was proved with other bytes (5ea15ea15ea15ea1): `sdcoreml explain ENV007`"
    )


def test_what_is_asked_for_is_built_and_a_toolchain_of_one_s_own_says_how_it_stands(
    mine: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PROVING, raising=False)
    made = finished(tmp_path / ("a" * 16), "5ea1" * 16)
    asked: list[tuple[str, BuildOptions, Goal | None]] = []

    def environment_for(
        toolchain: Toolchain, _emit: Emit, *, options: BuildOptions, goal: Goal | None
    ) -> Environment:
        asked.append((toolchain.name, options, goal))
        return made

    monkeypatch.setattr(convert_environment, "environment_for", environment_for)
    options, goal, said = BuildOptions(backend="conda"), Goal(model="m"), list[Event]()
    toolchain, found = choose_environment("tested", said.append, options, goal)
    assert (toolchain, found, said) == (load_toolchain("tested"), made, [])
    toolchain, found = choose_environment("mine", said.append, options, goal)
    assert (toolchain, found, said) == (mine, made, [standing(mine, made)])
    assert asked == [("tested", options, goal), ("mine", options, goal)]
    monkeypatch.setenv(PROVING, "1")
    choose_environment("mine", said.append, options, goal)
    assert len(said) == 1, "what proves it is not told that it is not proved"


def test_what_light_is_built_for_is_what_the_other_was_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, BuildOptions, Goal | None]] = []

    def environment_for(
        toolchain: Toolchain, _emit: Emit, *, options: BuildOptions, goal: Goal | None
    ) -> str:
        asked.append((toolchain.name, options, goal))
        if toolchain.name == "tested":
            raise NoInterpreterError("no Python 3.10.10 could be obtained")
        return toolchain.title

    monkeypatch.setattr(convert_environment, "environment_for", environment_for)
    monkeypatch.setattr(convert_environment, "is_python_here", lambda _: True)
    options, goal, said = BuildOptions(strict=True), Goal(model="m"), list[Event]()
    choose_environment("tested", said.append, options, goal)
    assert asked == [("tested", options, goal), ("light", options, goal)]
    assert [event.kind for event in said] == ["warning"]
    with pytest.raises(NoInterpreterError):
        choose_environment("tested", silent, options, goal, "running every program")
    assert len(asked) == 3


def test_light_in_place_of_another_is_not_light_as_asked() -> None:
    light, tested = load_toolchain("light"), load_toolchain("tested")
    assert is_replacement(light, "tested")
    assert not is_replacement(light, "light")
    assert not is_replacement(tested, "tested")


@pytest.mark.parametrize(
    "words",
    [
        ("recipe", "a b", "--toolchain", "light", "--target-bits", "4"),
        ("recipe", "a b", "--toolchain=light", "--target-bits", "4"),
        ("recipe", "a b", "--target-bits", "4"),  # TOOLCHAIN said it
    ],
)
def test_what_light_cannot_do_is_said_with_the_command_that_can(words: tuple[str, ...]) -> None:
    args = argparse.Namespace(typed=words)
    require_torch(load_toolchain("tested"), "measuring layers", args)
    with pytest.raises(UsageError) as caught:
        require_torch(load_toolchain("light"), "measuring layers", args)
    assert str(caught.value) == (
        "the toolchain light has no torch, which measuring layers needs; tested has it:"
        " `sdcoreml recipe 'a b' --target-bits 4 --toolchain tested`"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("recipe", "nowhere"),
        ("convert", "--sample", "--full"),
        ("convert", "nowhere", "--converter", "upstream"),
        ("verify", "nowhere", "--against", "nowhere", "--full"),
    ],
)
def test_it_is_said_before_anything_is_looked_at(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLCHAIN", "light")
    assert main(words) == ExitCode.USAGE
    assert "the toolchain light has no torch, which" in capsys.readouterr().err
