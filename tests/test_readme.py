"""The figures in the README agree with those in the locks."""

from __future__ import annotations

import re
from pathlib import Path

import sdcoreml
from tests.test_advice import require_parsed

ROOT = Path(__file__).parents[1]
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


def test_the_sizes_on_a_mac_are_those_of_the_lock() -> None:
    tested = ROOT / "lockfiles" / "tested"
    lock = (tested / "pylock.macos-arm64.toml").read_text(encoding="utf-8")
    size = sum(map(int, re.findall(r"\bsize = (\d+)", lock)))
    assert f"{size / 1e6:.0f} MB to download" in README
    table = (tested / "toolchain.toml").read_text(encoding="utf-8").partition("[installed]")[2]
    installed = dict(re.findall(r"^([\w-]+) = ([\d_]+)", table.partition("[")[0], re.MULTILINE))
    assert f"and {int(installed['macos-arm64']) / 1e9:.2f} GB on a Mac" in README
    assert f"{int(installed['linux-x86_64']) / 1e9:.1f} GB on Linux" in README


def test_the_wheel_that_is_installed_is_of_this_version() -> None:
    assert f"sdcoreml-{sdcoreml.__version__}-py3-none-any.whl" in README


def test_every_command_is_one_that_there_is() -> None:
    found = re.findall(r"`sdcoreml ([a-z]+)[^`]*`", README)
    assert {"clean", "complete", "help"} <= {*found}
    for words in ("complete bash", "convert path/to/model", "clean", "sources"):
        require_parsed(words.split())
