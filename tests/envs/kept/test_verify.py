from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_fast, verify_full
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.ground.errors import BrokenError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.damages import DAMAGES, flip
from tests.envs.wheels import PYTHON, standard_wheels, toolchain


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("pristine")
    locked = standard_wheels(folder / "wheels")
    options = BuildOptions(
        python=PYTHON, source=PackageSource(wheels=folder / "wheels"), root=folder / "envs"
    )
    return build(load_toolchain(toolchain(folder / "tiny", locked)), options=options)


@pytest.fixture
def environment(pristine: Environment, tmp_path: Path) -> Environment:
    copy = tmp_path / "copy"
    shutil.copytree(pristine.path, copy, symlinks=True)
    return replace(pristine, path=copy)


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_found(environment: Environment, damage: str) -> None:
    do, expected = DAMAGES[damage]
    do(environment.path, site_packages(environment.path))
    for outcome in (verify_fast(environment), verify_full(environment)):
        assert any(expected in str(fault) for fault in outcome.faults), outcome.faults


def test_the_well_one_is_well(environment: Environment) -> None:
    events: list[Event] = []
    full = verify_full(environment, events.append)
    assert full.faults == verify_fast(environment).faults == ()
    assert full.files == environment.files
    assert events[-1].done == events[-1].total
    assert (events[-1].total or 0) > environment.size, "and the Python beneath"


def test_a_flip_that_keeps_size_and_time_is_seen_at_a_glance(environment: Environment) -> None:
    path = site_packages(environment.path) / "two/native.so"
    flip(path, keep_time=True)
    for outcome in (verify_fast(environment), verify_full(environment)):
        (fault,) = outcome.faults
        assert str(fault).endswith("two/native.so: altered (two)")


def test_a_new_time_alone_is_no_damage(environment: Environment) -> None:
    (site_packages(environment.path) / "one.py").touch()
    assert verify_fast(environment).faults == verify_full(environment).faults == ()


def test_using_the_environment_leaves_no_trace(environment: Environment) -> None:
    program = "import one, two.part, two.odd"
    subprocess.run([environment.path / "bin/python", "-c", program], check=True)
    assert verify_full(environment).faults == ()


def test_a_ruined_manifest_is_one_line(environment: Environment) -> None:
    (environment.path / manifest.SEALED / manifest.FILE).write_text("what\n")
    with pytest.raises(BrokenError, match="not a manifest") as caught:
        verify_fast(environment)
    assert "\n" not in str(caught.value)


def test_a_record_that_is_gone_is_no_environment(environment: Environment) -> None:
    (environment.path / manifest.SEALED / manifest.RECORD).unlink()
    assert store.read("tiny", environment.path) is None
