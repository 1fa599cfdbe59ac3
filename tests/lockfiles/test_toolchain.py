from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.artefact import load_artefacts
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.target import TARGETS
from sdcoreml.lockfiles.toolchain import (
    Measured,
    load_toolchain,
    load_variants,
    lock_command,
    toolchain_names,
)

MINIMAL = """
name = "tiny"
[python]
version = "3.10.10"
accepted = ">=3.10,<3.11"
[pins]
one = "1.0"
[factors]
environment = 1000
[targets]
supported = ["linux-x86_64"]
[refused]
linux-aarch64 = "one has no wheel there"
"""


def write(folder: Path, text: str) -> str:
    (folder / "toolchain.toml").write_text(text)
    return f"{folder}/"


def test_the_tested_toolchain_is_the_set_of_the_mission() -> None:
    tested = load_toolchain()
    assert tested.python.version == "3.10.10"
    assert tested.upstream.commit == "c891f4357b2269853152d774d97327faab746e7c"
    assert tested.factors.disk == 2.0
    wanted = {"diffusers": "0.23.1", "transformers": "4.34.1", "safetensors": "0.4.4"}
    assert {name: tested.pins[name] for name in wanted} == wanted


@pytest.mark.parametrize("name", toolchain_names())
def test_every_shipped_toolchain_is_whole(name: str) -> None:
    toolchain = load_toolchain(name)
    assert toolchain.name == name
    assert set(toolchain.targets) <= set(TARGETS)
    assert not set(toolchain.targets) & set(toolchain.refused)
    for target in toolchain.targets:
        locked = {package.name: package.version for package in load_lock(name, target).packages}
        pinned = {pin: locked.get(pin) for pin in toolchain.pins}
        assert pinned == dict(toolchain.pins)


@pytest.mark.parametrize("name", toolchain_names())
def test_each_target_says_what_its_wheels_and_environment_take(name: str) -> None:
    toolchain = load_toolchain(name)
    assert set(toolchain.installed) == set(toolchain.unpacked) == set(toolchain.targets)
    for target in toolchain.targets:
        wheels = load_artefacts(toolchain, load_lock(name, target))
        download = sum(wheel.size for wheel in wheels)
        assert download < toolchain.wheels_on(target) < toolchain.size_on(target)
        assert toolchain.size_on(target) <= toolchain.factors.environment


def test_where_nobody_measured_the_largest_counts(tmp_path: Path) -> None:
    toolchain = load_toolchain(write(tmp_path, MINIMAL))
    assert toolchain.size_on("linux-x86_64") == 1000
    assert toolchain.wheels_on("linux-x86_64") == 1000
    sized = load_toolchain(write(tmp_path, MINIMAL + "[installed]\nlinux-x86_64 = 900\n"))
    assert (sized.size_on("linux-x86_64"), sized.wheels_on("linux-x86_64")) == (900, 900)
    assert sized.size_on("macos-arm64") == 1000


@pytest.mark.parametrize("name", toolchain_names())
def test_requirements_in_repeats_the_pins(name: str) -> None:
    toolchain = load_toolchain(name)
    lines = (toolchain.folder / "requirements.in").read_text().splitlines()
    stated = [line for line in lines if line and not line.startswith("#")]
    assert stated == [f"{pin}=={version}" for pin, version in toolchain.pins.items()]


def test_a_toolchain_is_found_by_the_path_of_its_folder(tmp_path: Path) -> None:
    tiny = load_toolchain(write(tmp_path, MINIMAL))
    assert (tiny.name, tiny.folder, tiny.pins) == ("tiny", tmp_path, {"one": "1.0"})
    assert tiny.upstream.repository == ""


def test_what_was_measured_is_numbers_and_may_be_unknown(tmp_path: Path) -> None:
    nothing = load_toolchain(write(tmp_path, MINIMAL)).measured
    assert nothing == Measured(on="", parallel=1.0, rates={}, peaks={})
    tables = '[measured]\non = "a Mac"\nparallel = 0.9\n[rates]\nbuild = 1\n[peaks]\nbase = 2\n'
    assert load_toolchain(write(tmp_path, MINIMAL + tables)).measured == Measured(
        on="a Mac", parallel=0.9, rates={"build": 1.0}, peaks={"base": 2.0}
    )
    with pytest.raises(LockfileError, match=r"rates\.unet is 'fast', not a float"):
        load_toolchain(write(tmp_path, MINIMAL + '[rates]\nunet = "fast"\n'))


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(LockfileError, match=r"no toolchain named 'testde'; there are: .*tested"):
        load_toolchain("testde")


def test_all_faults_of_a_file_are_named_at_once(tmp_path: Path) -> None:
    faulty = (
        MINIMAL.replace('"3.10.10"', "3.10").replace("1000", '"big"').replace('"tiny"', '"A B"')
    )
    with pytest.raises(LockfileError) as caught:
        load_toolchain(write(tmp_path, faulty + '[upstream]\ncommit = "c891f43"\n'))
    text = str(caught.value)
    assert str(tmp_path / "toolchain.toml") in text
    assert "python.version is 3.1, not a str" in text
    assert "factors.environment is 'big', not a int" in text
    assert "name 'A B' is not" in text
    assert "upstream.commit 'c891f43' is not a full commit" in text


@pytest.mark.parametrize(
    ("text", "what"),
    [("name =", "not valid TOML"), ("", "name is missing"), ("pins = 3", "pins is 3, not a table")],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(LockfileError, match=what) as caught:
        load_toolchain(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_where(tmp_path: Path) -> None:
    with pytest.raises(LockfileError, match=r"toolchain\.toml: no such file"):
        load_toolchain(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("target", "reason"),
    [("linux-aarch64", "one has no wheel there"), ("plan9-mips", "nothing was tested on plan9")],
)
def test_a_target_is_refused_with_the_reason(tmp_path: Path, target: str, reason: str) -> None:
    tiny = load_toolchain(write(tmp_path, MINIMAL))
    tiny.require_target("linux-x86_64")
    with pytest.raises(LockfileError, match=reason):
        tiny.require_target(target)


@pytest.mark.parametrize("name", ["tiny", "Tiny Conda", ""])
def test_the_conda_environment_has_a_name_of_its_own(tmp_path: Path, name: str) -> None:
    other = load_toolchain(write(tmp_path, MINIMAL + '[conda]\nname = "other"\n'))
    assert other.conda.name == "other"
    with pytest.raises(LockfileError, match=f"conda.name {name!r} cannot name an environment"):
        load_toolchain(write(tmp_path, f'{MINIMAL}[conda]\nname = "{name}"\n'))


def test_only_a_folder_of_a_python_in_a_toolchain_is_a_variant(tmp_path: Path) -> None:
    outer, form = tmp_path / "toolchains" / "mine", "toolchains/mine/python3.12"
    for place in ("mine", "mine/python3.12", "mine/python-notes", "python3.12", "python-paper"):
        folder = tmp_path / "toolchains" / place
        folder.mkdir(parents=True)
        name = place.partition("/")[0].replace(".", "-")
        write(folder, MINIMAL.replace("tiny", name))
    said = {
        file.parent.relative_to(tmp_path).as_posix(): load_toolchain(f"{file.parent}/")
        for file in tmp_path.rglob("toolchain.toml")
    }
    assert [place for place, one in said.items() if one.is_variant] == [form]
    assert [one.folder.name for one in load_variants(load_toolchain(f"{outer}/"))] == [
        "mine",
        "python3.12",
    ]
    own = said["toolchains/python-paper"]
    assert (own.title, len(own.mark)) == ("python-paper", 8)


def test_the_command_that_locks_anew_names_a_toolchain_of_one_s_own(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    again = f"`sdcoreml env lock --conda --toolchain {tmp_path}/`"
    assert lock_command(tmp_path, "--conda") == again
    assert lock_command(tmp_path / "python3.12", "--conda") == again, "with all its forms"
    for shipped in (load_toolchain("light"), *load_variants(load_toolchain("light"))):
        assert lock_command(shipped.folder) == "`sdcoreml env lock`"
    assert lock_command(tmp_path / "nothing") == "`sdcoreml env lock`"


@pytest.mark.parametrize("key", ["from", "base"])
@pytest.mark.parametrize("other", ["../../x", "/x/y", "a/b", "Tested"])
def test_another_toolchain_is_named_without_a_path(tmp_path: Path, key: str, other: str) -> None:
    with pytest.raises(LockfileError, match=f"{key} '{other}' is not a toolchain's name"):
        load_toolchain(write(tmp_path, f'{key} = "{other}"{MINIMAL}'))


def test_commands_call_a_toolchain_by_its_name_where_that_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(load_toolchain("tested"), name="mine", folder=tmp_path / "toolchains" / "mine")
    assert load_toolchain("tested").address == "tested"
    assert own.address == f"{tmp_path}/toolchains/mine"
    monkeypatch.chdir(tmp_path)
    assert own.address == "mine"
