from __future__ import annotations

from pathlib import Path

import pytest

from envs.frozen import freeze, project
from lockfiles.errors import LockfileError
from lockfiles.toolchain import load_toolchain
from tests.envs.wheels import toolchain


def test_each_package_knows_what_it_needs_and_its_wheel() -> None:
    frozen = freeze(load_toolchain("tested"), "macos-arm64")
    assert frozen.lock.target == "macos-arm64"
    assert {"huggingface-hub"} <= set(frozen.needs["tokenizers"])
    assert frozen.needs["zipp"] == ()
    assert {artefact.project for artefact in frozen.artefacts} == set(frozen.needs)


def test_a_part_of_a_toolchain_has_the_same_edges_as_the_whole() -> None:
    part, whole = (freeze(load_toolchain(name), "macos-arm64") for name in ("light", "tested"))
    assert set(part.needs) < set(whole.needs)
    for name, needs in part.needs.items():
        assert needs == tuple(one for one in whole.needs[name] if one in part.needs)
    assert part.needs["coremltools"]


def test_the_project_holds_every_hash_and_goes_again() -> None:
    frozen = freeze(load_toolchain("light"), "linux-x86_64")
    with project(frozen) as folder:
        text = (folder / "uv.lock").read_text()
        assert sorted(path.name for path in folder.iterdir()) == ["pyproject.toml", "uv.lock"]
    assert not folder.exists()
    assert all(f"sha256:{artefact.sha256}" in text for artefact in frozen.artefacts)


def test_a_lock_that_names_no_wheels_is_one_line(tmp_path: Path) -> None:
    tiny = load_toolchain(toolchain(tmp_path / "tiny", {"one==1.0": "0" * 64}))
    with pytest.raises(LockfileError, match=r"no pylock\..*toml, which names wheels; run make"):
        freeze(tiny)
