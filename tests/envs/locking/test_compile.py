from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.locking.compile import (
    LockRequest,
    check_folder,
    compile_locks,
    find_stale,
    requirements_in,
    write_locks,
)
from sdcoreml.ground.errors import InstallError, LockfileError, UnknownToolchainError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.target import TARGETS
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.envs.wheels import wheel

FILE = """\
name = "tiny"
[python]
version = "3.10.10"
accepted = ">=3.10,<3.11"
[pins]
one = "1.0"
[factors]
environment = 1000
[targets]
supported = ["macos-arm64", "linux-x86_64"]
"""


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "one", "1.0", {"one.py": ""}, requires=("two",))
    wheel(folder, "two", "2.0", {"two.py": ""})
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Toolchain:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/toolchain.toml").write_text(FILE)
    return load_toolchain(f"{tmp_path}/tiny/")


def lock(toolchain: Toolchain, wheels: Path, *, upgrade: bool = False) -> list[str]:
    compiled = compile_locks(toolchain, LockRequest(wheels=wheels, upgrade=upgrade))
    return [path.name for path in write_locks(toolchain, compiled)]


def test_every_target_is_locked_on_this_machine(tiny: Toolchain, wheels: Path) -> None:
    assert lock(tiny, wheels) == [
        "requirements.in",
        "requirements.macos-arm64.txt",
        "pylock.macos-arm64.toml",
        "requirements.linux-x86_64.txt",
        "pylock.linux-x86_64.toml",
    ]
    for target in tiny.targets:
        packages = load_lock(f"{tiny.folder}/", target).packages
        assert [(package.name, package.version) for package in packages] == [
            ("one", "1.0"),
            ("two", "2.0"),
        ]
    (one, two) = check_folder(tiny)["macos-arm64"]
    assert (one.file, two.file) == ("one-1.0-py3-none-any.whl", "two-2.0-py3-none-any.whl")
    assert one.sha256 == hashlib.sha256((wheels / one.file).read_bytes()).hexdigest()
    assert lock(tiny, wheels) == []


def test_a_lock_names_no_place_of_this_machine(tiny: Toolchain, wheels: Path) -> None:
    lock(tiny, wheels)
    texts = [path.read_text() for path in tiny.folder.iterdir() if path.name != "toolchain.toml"]
    assert not [text for text in texts if str(wheels) in text or "://" in text]


def test_versions_stay_until_an_upgrade_is_asked_for(tiny: Toolchain, wheels: Path) -> None:
    lock(tiny, wheels)
    wheel(wheels, "two", "2.1", {"two.py": "NEW = True\n"})
    assert lock(tiny, wheels) == []
    assert find_stale(tiny, compile_locks(tiny, LockRequest(wheels=wheels))) == ()
    fresh = compile_locks(tiny, LockRequest(wheels=wheels, upgrade=True))
    assert find_stale(tiny, fresh) == tuple(
        f"{target}: two resolves to 2.1, locked is 2.0" for target in tiny.targets
    )
    assert "pylock.macos-arm64.toml" in lock(tiny, wheels, upgrade=True)


def test_what_a_new_resolution_has_otherwise_is_named(tiny: Toolchain, wheels: Path) -> None:
    lock(tiny, wheels)
    first, other = compile_locks(tiny, LockRequest(wheels=wheels))
    text = first.requirements.replace("one==1.0", "three==1.0").replace("two==2.0", "two==2.1")
    assert find_stale(tiny, (replace(first, requirements=text), other)) == (
        "macos-arm64: one 1.0 is no longer needed",
        "macos-arm64: three 1.0 is not locked",
        "macos-arm64: two resolves to 2.1, locked is 2.0",
    )


def test_a_replaced_file_makes_a_lock_stale(tiny: Toolchain, wheels: Path) -> None:
    lock(tiny, wheels)
    wheel(wheels, "two", "2.0", {"two.py": "OTHER = True\n"})
    lines = find_stale(tiny, compile_locks(tiny, LockRequest(wheels=wheels, upgrade=True)))
    assert lines == tuple(
        f"{target}: two is locked with a hash that is not on the index" for target in tiny.targets
    )


def test_a_package_without_a_wheel_for_a_target_is_refused(tiny: Toolchain, wheels: Path) -> None:
    (wheels / "two-2.0-py3-none-any.whl").rename(
        wheels / "two-2.0-cp310-cp310-manylinux_2_17_x86_64.whl"
    )
    with pytest.raises(InstallError, match="has no wheel") as caught:
        compile_locks(tiny, LockRequest(wheels=wheels))
    assert "\n" not in str(caught.value)


def test_a_pin_that_moved_is_found_without_a_network(tiny: Toolchain, wheels: Path) -> None:
    lock(tiny, wheels)
    path = tiny.folder / "toolchain.toml"
    path.write_text(FILE.replace('one = "1.0"', 'one = "1.1"'))
    with pytest.raises(LockfileError) as caught:
        check_folder(load_toolchain(f"{tiny.folder}/"))
    text = str(caught.value)
    assert "requirements.in: does not repeat the pins of toolchain.toml" in text
    assert "one is 1.0, pinned is 1.1" in text
    assert text.count("requirements.linux-x86_64.txt: one is") == 1


def test_an_edited_wheel_hash_is_found_without_a_network(tiny: Toolchain, wheels: Path) -> None:
    lock(tiny, wheels)
    path = tiny.folder / "pylock.macos-arm64.toml"
    path.write_text(path.read_text().replace('sha256 = "', 'sha256 = "0000')[:-8] + '" }\n')
    with pytest.raises(LockfileError, match=r"pylock\.macos-arm64\.toml"):
        check_folder(tiny)


def test_the_resolver_is_given_the_pins(tiny: Toolchain) -> None:
    assert requirements_in(tiny).splitlines()[1:] == ["one==1.0"]


@pytest.mark.parametrize("name", ["tested", "light"])
def test_the_shipped_locks_agree_with_their_pins_and_wheels(name: str) -> None:
    toolchain = load_toolchain(name)
    assert set(check_folder(toolchain)) == set(toolchain.targets) <= set(TARGETS)


def test_light_is_cut_out_of_tested_without_a_network() -> None:
    light, events = load_toolchain("light"), list[Event]()
    assert find_stale(light, compile_locks(light, emit=events.append)) == ()
    assert [event.text for event in events] == [
        f"cut light for {target} out of tested" for target in light.targets
    ]
    assert write_locks(light, compile_locks(light)) == ()


def test_the_mirror_of_the_index_is_asked(
    tiny: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, seen = tmp_path / "uv", tmp_path / "seen"
    program.write_text(f'#!/bin/sh\nenv >"{seen}"\necho "error: dns error" >&2\nexit 2\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(InstallError, match="cannot be reached"):
        compile_locks(tiny, LockRequest(index="https://mirror.invalid/simple"))
    assert "UV_DEFAULT_INDEX=https://mirror.invalid/simple" in seen.read_text().splitlines()


def test_what_uv_is_asked(tiny: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, seen = tmp_path / "uv", tmp_path / "seen"
    program.write_text(f'#!/bin/sh\necho "$@" >>"{seen}"\nexit 2\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    request = LockRequest(upgrade=True, exclude_newer="2026-11-01", wheels=tmp_path / "wheels")
    with pytest.raises(InstallError):
        compile_locks(tiny, request)
    assert seen.read_text().splitlines()[-1].split() == [
        *("pip", "compile", "--no-progress", "--no-config", "--generate-hashes"),
        *("--only-binary", ":all:", "--python", str(tmp_path / "python")),
        *("--python-version", "3.10.10", "--python-platform", "aarch64-apple-darwin"),
        *("--custom-compile-command", "sdcoreml", "env", "lock", "--upgrade"),
        *("--exclude-newer", "2026-11-01", "--no-index", "--find-links", f"{tmp_path}/wheels"),
        *("requirements.in", "--output-file", "requirements.txt"),
    ]


def test_what_is_cut_out_of_one_that_is_not_shipped_is_refused(
    tiny: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toolchains").mkdir()
    tiny.folder.rename(tmp_path / "toolchains" / "tiny")
    monkeypatch.chdir(tmp_path)
    assert load_toolchain("tiny").name == "tiny"
    with pytest.raises(UnknownToolchainError, match="no toolchain named 'tiny'"):
        compile_locks(replace(load_toolchain("tiny"), base="tiny"))
