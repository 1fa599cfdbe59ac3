from __future__ import annotations

import pytest

from lockfiles.target import TARGETS, host_target, target_name


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("darwin", "arm64", "macos-arm64"),
        ("darwin", "x86_64", "macos-x86_64"),
        ("linux", "x86_64", "linux-x86_64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("win32", "AMD64", "windows-x86_64"),
    ],
)
def test_a_machine_has_one_name(system: str, machine: str, name: str) -> None:
    assert target_name(system, machine) == name


def test_rosetta_does_not_hide_apple_silicon() -> None:
    kernel = "Darwin Kernel Version 24.1.0: root:xnu-11215/RELEASE_ARM64_T6000"
    assert target_name("darwin", "x86_64", kernel) == "macos-arm64"


def test_the_table_agrees_with_the_names() -> None:
    for name, target in TARGETS.items():
        assert target_name(target.system, target.machine) == name == target.name


def test_this_machine_has_a_name() -> None:
    assert host_target().count("-") == 1
