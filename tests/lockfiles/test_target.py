from __future__ import annotations

import pytest

from sdcoreml.lockfiles.target import TARGETS, host_target, target_name


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


@pytest.mark.parametrize(
    ("system", "machine", "kernel", "name"),
    [
        ("win32", "x64", "", "windows-x86_64"),
        ("win32", "ARM64", "", "windows-arm64"),
        ("darwin", "x86_64", "Darwin Kernel Version 23.6.0: RELEASE_X86_64", "macos-x86_64"),
        ("linux", "x86_64", "#1 SMP built on an ARM64 machine", "linux-x86_64"),
        ("freebsd14", "amd64", "", "freebsd14-x86_64"),
    ],
)
def test_a_kernel_speaks_for_apple_s_machines_only(
    system: str, machine: str, kernel: str, name: str
) -> None:
    assert target_name(system, machine, kernel) == name


def test_no_two_targets_share_a_word_with_which_a_tool_is_told() -> None:
    for word in ("uv_platform", "conda_subdir"):
        assert len({getattr(target, word) for target in TARGETS.values()}) == len(TARGETS)


def test_the_names_that_uv_and_conda_know() -> None:
    assert [(one.name, one.uv_platform, one.conda_subdir) for one in TARGETS.values()] == [
        ("macos-arm64", "aarch64-apple-darwin", "osx-arm64"),
        ("macos-x86_64", "x86_64-apple-darwin", "osx-64"),
        ("linux-x86_64", "x86_64-manylinux_2_28", "linux-64"),
    ]
