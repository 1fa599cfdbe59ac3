"""`tools.conda_channel`: the committed conda locks agree with its recorded facts and index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.lockfiles.conda import load_conda_lock
from sdcoreml.lockfiles.conda_files import conda_files
from sdcoreml.lockfiles.toolchain import load_toolchain
from tools.conda_channel import read_facts, write_channel

PACKAGES = {"macos-arm64": 12, "macos-x86_64": 12, "linux-x86_64": 19}
TESTED = load_toolchain("tested")


def test_every_hash_stands_in_two_public_lock_files() -> None:
    for row in read_facts():
        assert int(row["sha256_in"]) >= 2, row["file"]
        assert len(set(row["seen_in"].split())) >= int(row["sha256_in"]), row["file"]


@pytest.mark.parametrize("target", PACKAGES)
def test_the_locks_are_made_of_these_facts(target: str) -> None:
    facts = {f"{row['subdir']}/{row['file']}": row for row in read_facts()}
    lock = load_conda_lock(TESTED, target)
    assert len(lock.packages) == PACKAGES[target]
    assert not lock.from_channel
    for package in lock.packages:
        row = facts[package.path]
        assert package.sha256 == row["sha256"]
        assert package.size == int(row["size"] or 0)
        assert all(source in package.known for source in row["seen_in"].split())


@pytest.mark.parametrize("name", ["tested", "light"])
def test_what_conda_reads_is_generated_from_them(name: str) -> None:
    toolchain = load_toolchain(name)
    texts = conda_files(toolchain)
    assert sum(file.endswith(".lock") for file in texts) == 3
    for file, text in texts.items():
        assert (toolchain.folder / file).read_text() == text


def test_the_index_says_only_what_is_known(tmp_path: Path) -> None:
    facts = {
        **dict.fromkeys(("md5", "noarch", "size", "constrains"), ""),
        "subdir": "osx-64",
        "file": "a-1-h0_4.tar.bz2",
        "name": "a",
        "version": "1",
        "build": "h0_4",
        "build_number": "4",
        "sha256": "ab",
        "depends": "b >=1; c",
    }
    write_channel(tmp_path / "channel", [facts])
    index = json.loads((tmp_path / "channel/osx-64/repodata.json").read_text())
    assert index["packages"] == {
        "a-1-h0_4.tar.bz2": {
            "name": "a",
            "version": "1",
            "build": "h0_4",
            "subdir": "osx-64",
            "sha256": "ab",
            "build_number": 4,
            "depends": ["b >=1", "c"],
            "constrains": [],
        }
    }
    assert json.loads((tmp_path / "channel/noarch/repodata.json").read_text())["packages"] == {}
