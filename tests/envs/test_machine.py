from __future__ import annotations

import os
from pathlib import Path

import pytest

from envs.machine import cpu_model, system_name

CORES = f"({os.cpu_count()} cores)"


@pytest.mark.parametrize(
    ("text", "model"),
    [
        (
            "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD  EPYC 7R13\nflags\t: a\n",
            "AMD EPYC 7R13",
        ),
        ("cpu model : Loongson-3\n", "Loongson-3"),
    ],
)
def test_the_model_is_a_name_and_no_architecture(tmp_path: Path, text: str, model: str) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(text)
    assert cpu_model(tmp_path, "linux") == f"{model} {CORES}"


def test_a_model_that_cannot_be_told_is_said_to_be_unknown(tmp_path: Path) -> None:
    assert cpu_model(tmp_path, "linux").startswith("unknown ")


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins of the programs that a Mac is asked with."""
    for name, words, answer in (
        ("sysctl", "-n machdep.cpu.brand_string", "Apple M2"),
        ("sw_vers", "-productVersion", "14.5"),
    ):
        (tmp_path / name).write_text(f'#!/bin/sh\n[ "$*" = "{words}" ] && echo "{answer}"\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("mac")
def test_a_mac_names_its_chip_and_version() -> None:
    assert cpu_model(system="darwin") == f"Apple M2 {CORES}"
    assert system_name("darwin") == "macOS 14.5"


def test_this_system_has_a_name_with_a_version() -> None:
    assert any(letter.isdigit() for letter in system_name())
