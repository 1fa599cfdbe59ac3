from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.envs.building.base import BACKENDS, VenvBase, name_of
from sdcoreml.envs.pythons.interpreter import Choice, Interpreter
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.wheels import toolchain

CHOICE = Choice(
    interpreter=Interpreter(
        path=Path("/pythons/3.10.13/bin/python3.10"),
        version="3.10.13",
        implementation="CPython",
        target="linux-x86_64",
        source="pyenv",
    ),
    drift=True,
)


@pytest.mark.parametrize(
    ("toolchain", "backend", "name"),
    [
        ("tested", "venv", "tested"),
        ("tested", "conda", "coreml_stable_diffusion"),
        ("light", "conda", "coreml_stable_diffusion_light"),
    ],
)
def test_an_environment_has_the_name_that_people_look_for(
    toolchain: str, backend: str, name: str
) -> None:
    assert name_of(load_toolchain(toolchain), backend) == name


def test_a_venv_is_told_by_its_python_and_is_the_same_anywhere() -> None:
    base = VenvBase(chosen=CHOICE)
    assert base.identity() == ("3.10.13", "/pythons/3.10.13/bin/python3.10")
    assert base.choice(Path("/any/where")) == CHOICE
    assert base.answering() == CHOICE.interpreter.path
    assert base.record_fields() == {}
    assert (base.size, base.brings_sources) == (0, False)


def test_a_venv_links_to_its_python(tmp_path: Path) -> None:
    VenvBase(chosen=CHOICE).create(tmp_path / "made", tmp_path / "final")
    assert (tmp_path / "made" / "bin" / "python").readlink() == CHOICE.interpreter.path


def test_own_toolchains_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    named = []
    for place in ("here/toolchains/mine", "there/toolchains/mine", "there/tested"):
        folder = tmp_path / place
        folder.parent.mkdir(parents=True, exist_ok=True)
        name = toolchain(folder, {"one==1.0": "0" * 64}, name=folder.name)
        named.append(name_of(load_toolchain(name), "venv"))
    assert [name.partition("@")[0] for name in named] == ["mine", "mine", "tested"]
    assert len({*named, "mine", "tested"}) == 5
    form = tmp_path / "here/toolchains/mine/python3.12"
    variant = load_toolchain(toolchain(form, {"one==1.0": "0" * 64}, name="mine"))
    assert name_of(variant, "venv") == named[0], "all forms share one link"
    assert name_of(variant, "conda") == named[0].replace("mine", "mine-conda")


def test_what_has_the_conda_name_of_a_shipped_one_does_not_take_its_link(tmp_path: Path) -> None:
    taken = {name_of(load_toolchain(one), kind) for one in ("tested", "light") for kind in BACKENDS}
    for name in ("coreml_stable_diffusion", "light"):
        folder = tmp_path / name
        address = toolchain(folder, {"one==1.0": "0" * 64}, name="mine")
        file = folder / "toolchain.toml"
        file.write_text(f'{file.read_text()}[conda]\nname = "{name}"\n')
        named = {name_of(load_toolchain(address), kind) for kind in BACKENDS}
        assert not named & taken
        assert {one.partition("@")[0] for one in named} == {"mine", name}


def test_there_are_two_kinds() -> None:
    assert BACKENDS == ("venv", "conda")
