from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.own import Amendment, amend
from sdcoreml.lockfiles.own_file import write_toolchain
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.golden import assert_golden


@pytest.mark.parametrize("name", ["tested", "light", "current"])
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    change = Amendment(
        pins={"a.b": "1.0"},
        exclude_newer="2026-11-01",
        exceptions={"a.b": 'the "fix"'},
        targets=("linux-x86_64",),
    )
    made = amend(load_toolchain(name), "mine", tmp_path, change)
    (tmp_path / "toolchain.toml").write_text(write_toolchain(made, ["a.b 1.0, new: set"]))
    assert load_toolchain(f"{tmp_path}/") == made
    assert "#   a.b 1.0, new: set\n" in (tmp_path / "toolchain.toml").read_text()


def test_the_whole_file(tmp_path: Path) -> None:
    change = Amendment(exclude_newer="2026-11-01", exceptions={"a.b": 'the "fix"'})
    made = amend(load_toolchain("light"), "mine", tmp_path, change)
    text = write_toolchain(made, ["one 1.0 -> 2.0  set", "two 1.0, new    one needs it"])
    assert_golden("toolchain-own", re.sub(r"= [0-9_.]+", "= N", text))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('exclude-newer = "soon"', "exclude-newer 'soon' is not a date"),
        ('exceptions = { torch = " " }', "exceptions.torch has no reason"),
    ],
)
def test_a_faulty_age_limit_is_named(line: str, said: str, tmp_path: Path) -> None:
    made = amend(load_toolchain("tested"), "mine", tmp_path, Amendment())
    text = write_toolchain(replace(made, upstream=replace(made.upstream, commit="")))
    (tmp_path / "toolchain.toml").write_text(f"{line}\n{text}")
    with pytest.raises(LockfileError, match=said):
        load_toolchain(f"{tmp_path}/")
