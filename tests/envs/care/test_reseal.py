"""An environment with an older format of the seal stays usable, and is resealed, not rebuilt."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.care.mend import Care, mend
from sdcoreml.envs.care.repair import repair
from sdcoreml.envs.care.reseal import reseal
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.touched import is_untouched
from sdcoreml.envs.kept.verify import verify_fast, verify_full
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons import venv
from sdcoreml.ground.errors import BrokenError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.envs.former import make_former
from tests.envs.kept.sealed import sealed
from tests.envs.wheels import PYTHON, standard_wheels, toolchain


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Environment, Toolchain]:
    folder = tmp_path_factory.mktemp("made")
    locked = standard_wheels(folder / "wheels")
    tiny = load_toolchain(toolchain(folder / "tiny", locked))
    options = BuildOptions(
        python=PYTHON, source=PackageSource(wheels=folder / "wheels"), root=folder / "envs"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(folder / "cache"))
        return build(tiny, options=options), tiny


@pytest.fixture
def former(made: tuple[Environment, Toolchain], tmp_path: Path) -> Environment:
    copy = tmp_path / "envs" / "copy"
    shutil.copytree(made[0].path, copy, symlinks=True)
    return make_former(replace(made[0], path=copy))


def test_it_is_verified_by_the_rules_of_then(former: Environment) -> None:
    assert verify_fast(former).faults == verify_full(former).faults == ()
    (venv.site_packages(former.path) / "one.py").write_text("")
    for outcome in (verify_fast(former), verify_full(former)):
        (fault,) = outcome.faults
        assert str(fault).endswith("one.py: 0 bytes, was 60 (one)")


def test_sealed_anew_it_has_the_seal_of_one_built_today(
    former: Environment, made: tuple[Environment, Toolchain]
) -> None:
    before = (venv.site_packages(former.path) / "two/native.so").stat().st_ino
    events: list[Event] = []
    done = reseal(former, events.append)
    assert done.seal == made[0].seal != former.seal
    assert store.read("tiny", former.path) == done
    assert verify_fast(done).faults == verify_full(done).faults == ()
    assert done.files == made[0].files
    assert (former.path / "bin/activate").read_text() == venv.ACTIVATE
    assert not (former.path / ".lock").exists()
    assert (venv.site_packages(former.path) / "two/native.so").stat().st_ino == before
    assert [event.text for event in events if event.kind == "step"] == [
        "compare every byte with that seal",
        "seal it anew",
    ]
    assert reseal(former) == done, "somebody else did it meanwhile"


def test_one_that_is_damaged_is_not_sealed_and_has_to_be_built(
    former: Environment, made: tuple[Environment, Toolchain]
) -> None:
    activate = former.path / "bin/activate"
    text = activate.read_text()
    activate.write_text(f"{text}echo more\n")
    with pytest.raises(BrokenError, match=r"bin/activate: "):
        reseal(former)
    activate.write_text(text)
    (venv.site_packages(former.path) / "evil.pth").write_text("import os\n")
    with pytest.raises(BrokenError, match=r"evil\.pth: not part of it"):
        reseal(former)
    with pytest.raises(BrokenError, match="builds it anew"):
        repair(former)
    care = Care(toolchain=made[1], source=PackageSource())
    assert mend(former, care) is None
    assert store.read("tiny", former.path) == former


def test_an_attempt_that_was_killed_is_gone_on_with(
    former: Environment, made: tuple[Environment, Toolchain]
) -> None:
    (former.path / "bin/activate").write_text(venv.ACTIVATE)
    (former.path / ".lock").unlink()
    (former.path / "sealed/files.tsv").write_text("half a li")
    assert reseal(former).seal == made[0].seal


def test_what_is_done_is_told_and_counted(tmp_path: Path) -> None:
    new = sealed(tmp_path)
    former = make_former(new)
    assert (former.is_former, former.files) == (True, new.files)
    events: list[Event] = []
    done = reseal(replace(former, size=1), events.append)
    assert [(event.kind, event.text) for event in events if event.kind != "progress"] == [
        ("note", "abc was sealed in the format of before"),
        ("step", "compare every byte with that seal"),
        ("step", "seal it anew"),
    ]
    assert (done.files, done.size, done.seal) == (new.files, new.size, new.seal)
    assert not (done.path / "sealed/manifest.tsv").exists()
    assert verify_full(done).faults == ()
    assert is_untouched(done)
    assert reseal(done, pytest.fail) is not None  # type: ignore[arg-type]


def test_a_fault_is_told_with_what_helps(tmp_path: Path) -> None:
    former = make_former(sealed(tmp_path))
    (former.path / "stray").touch()
    with pytest.raises(BrokenError) as caught:
        reseal(former)
    assert str(caught.value) == (
        f"{former.path}: stray: not part of it (nobody);"
        " `sdcoreml env build --fresh` builds it anew"
    )
    assert (former.path / "sealed/manifest.tsv").exists()
