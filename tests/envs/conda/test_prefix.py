from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.envs.building.base import CONDA, VENV
from sdcoreml.envs.building.build import BuildOptions, ready
from sdcoreml.envs.care.garbage import collect
from sdcoreml.envs.care.repair import repair
from sdcoreml.envs.conda.prefix import find_altered
from sdcoreml.envs.kept import conda_meta, store
from sdcoreml.envs.kept.verify import verify_fast, verify_full
from sdcoreml.ground.errors import (
    BrokenError,
    EnvError,
    InstallError,
    NoInterpreterError,
    UnreachableError,
)
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.conda import CondaLock
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.channel import MINOR, Content, channel, lock_conda, package, python_content
from tests.envs.conda_engine import lend_engine
from tests.envs.conda_place import Place, leftovers, output
from tests.envs.wheels import PYTHON, VERSION, standard_wheels, toolchain, wheel

SITE = f"lib/python{MINOR}/site-packages"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return Place(tmp_path)


def test_what_is_built_is_a_conda_prefix_with_the_locked_wheels_in_it(place: Place) -> None:
    events: list[Event] = []
    made = place.make(events=events)
    link = place.root / "tiny-conda"
    assert link.resolve() == made.path
    assert (made.name, made.backend, made.conda) == ("tiny-conda", "conda", place.lock.digest)
    assert (made.drift, made.interpreter.version) == (False, VERSION)
    assert made.interpreter.path == made.path / f"bin/python{MINOR}"
    program = "import sys, two, one; print(sys.prefix, two.VALUE)"
    assert output(link / "bin/python", "-I", "-c", program) == f"{link} 2\n"
    assert output(made.path / "bin/where") == f"{made.path}\n"
    assert output(made.path / "bin/one") == f"one runs in {made.path}\n"
    assert verify_full(made).faults == ()
    assert store.read("tiny-conda", link) == made
    assert leftovers(place.root) == []
    told = [event.text.replace(f"{place.root}/", "") for event in events if event.text]
    assert told == [
        "check that there is room",
        f"Python {VERSION} from conda: {made.path.name}/bin/python{MINOR}",
        "make an empty environment",
        f"7 kB of conda packages to download from file://{place.channel}/",
        "install 2 locked packages",
        "compile bytecode",
        "compare what is installed with the lock",
        f"lock {made.lock_digest[:16]}, target {made.target}",
        "import the direct pins",
        "hash every file and seal",
    ]
    events.clear()
    assert place.make(events=events) == made
    assert events == []
    assert ready(load_toolchain(place.name), BuildOptions(backend=CONDA, root=place.root)) == made


def test_running_it_changes_nothing(place: Place) -> None:
    made = place.make()
    program = "import json, _place, two.part; print(_place.PREFIX)"
    assert output(made.python, "-c", program) == f"{made.path}\n"
    assert verify_full(made).faults == ()


def test_any_conda_can_read_its_records_and_none_names_this_machine(place: Place) -> None:
    made = place.make()
    assert (made.path / "conda-meta/history").exists()
    found = {record["name"]: record for _, record in conda_meta.records(made.path)}
    assert set(found) == {"python", "tzdata"}
    python = found["python"]
    assert python["sha256"] == place.lock.packages[0].sha256
    assert python["url"] == f"{place.channel.as_uri()}/{place.lock.packages[0].path}"
    assert str(place.root) not in json.dumps(found)


def test_a_password_in_the_channels_address_is_not_kept(place: Place) -> None:
    base = place.channel.as_uri().replace("file://", "file://me:secret@")
    made = place.make(source=place.source(channel=base))
    text = "".join(path.read_text() for path in (made.path / "conda-meta").glob("*.json"))
    assert "me:secret" not in text + (made.path / "sealed/record.json").read_text()
    assert made.channel == place.channel.as_uri()


def test_the_seal_is_equal_wherever_it_is_built(place: Place, tmp_path: Path) -> None:
    here = place.make()
    lend_engine(tmp_path / "other place")
    there = place.make(tmp_path / "other place")
    again = place.make(fresh=True)
    assert here.seal == there.seal == again.seal
    assert len({here.path, there.path, again.path}) == 3
    assert output(again.path / "bin/where") == f"{again.path}\n"
    mirror = tmp_path / "mirror"
    shutil.copytree(place.channel, mirror)
    mirrored = place.make(fresh=True, source=place.source(channel=mirror.as_uri()))
    assert mirrored.seal == here.seal


def test_the_seal_hangs_on_every_conda_package(place: Place) -> None:
    before = place.make()
    other = Content(files={"share/zoneinfo/UTC": b"TZif2"})
    tzdata = package(place.channel, "tzdata", "2026a", other, noarch="generic")
    packages = (place.lock.packages[0], tzdata)
    lock_conda(place.name, CondaLock(target=place.lock.target, python=VERSION, packages=packages))
    after = place.make()
    assert after.seal != before.seal
    assert store.previous("tiny-conda", place.root) == before


def test_both_backends_live_side_by_side(place: Place) -> None:
    conda = place.make()
    venv = place.make(backend=VENV, python=PYTHON)
    assert store.current("tiny", place.root) == venv
    assert store.current("tiny-conda", place.root) == conda
    assert venv.seal != conda.seal
    assert {one.path for one in store.list_environments(place.root)} == {venv.path, conda.path}


def test_once_brought_it_is_built_again_without_the_channel(place: Place) -> None:
    first = place.make()
    shutil.rmtree(place.channel)
    assert place.make(fresh=True).seal == first.seal
    archive = next((place.root / "packages").glob("*/python-*"))
    archive.write_bytes(b"altered")
    place.fails(InstallError, "python.*: not there; give another --channel", fresh=True)
    assert verify_full(first).faults == ()


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"#")


def hook(path: Path) -> None:
    path.write_text("print('hostile')\n")


DAMAGES: dict[str, Callable[[Path], None]] = {
    f"bin/python{MINOR}": damage,
    "bin/where": damage,
    "bin/python": Path.unlink,
    "bin/one": damage,
    "lib/libplace.so": Path.unlink,
    f"lib/python{MINOR}/_place.py": damage,
    f"lib/python{MINOR}/os.py": Path.unlink,
    f"lib/python{MINOR}/__pycache__/os.cpython-{MINOR.replace('.', '')}.pyc": damage,
    f"{SITE}/two/part.py": damage,
    "share/zoneinfo": shutil.rmtree,
    f"conda-meta/python-{VERSION}-0_test.json": damage,
    "conda-meta": shutil.rmtree,
    f"{SITE}/sitecustomize.py": hook,
}


def test_all_damage_is_found_and_repaired_from_a_mirror(place: Place, tmp_path: Path) -> None:
    made = place.make()
    for path, harm in DAMAGES.items():
        harm(made.path / path)
        faults = [fault.path for fault in verify_full(made).faults]
        assert any(fault.startswith(path) for fault in faults), path
    shutil.rmtree(place.root / "packages")
    place.channel.rename(tmp_path / "mirror")
    done = repair(made, source=place.source(channel=(tmp_path / "mirror").as_uri()))
    assert done.removed == (f"{SITE}/sitecustomize.py",)
    again = store.read(made.name, made.path)  # bytecode was compiled, and recorded, anew
    assert again is not None
    assert again.seal == made.seal
    made = again
    assert verify_full(made).faults == ()
    assert verify_fast(made).faults == ()
    assert output(made.path / "bin/one") == f"one runs in {made.path}\n"
    assert leftovers(place.root) == []


def test_who_owns_what_is_damaged_is_said(place: Place) -> None:
    made = place.make()
    damage(made.path / "bin/where")
    (fault,) = verify_fast(made).faults
    assert str(fault).startswith("bin/where: ")
    assert str(fault).endswith("(conda:python, patched)")


def test_a_sealed_lock_that_was_altered_is_not_repaired_from(place: Place) -> None:
    made = place.make()
    (made.path / "bin/where").unlink()
    damage(made.path / "sealed/conda.toml")
    text = (made.path / "sealed/conda.toml").read_text()
    (made.path / "sealed/conda.toml").write_text(text.replace("2026a", "2026b").rstrip("#"))
    with pytest.raises(
        BrokenError, match=r"\bdiffers from its seal.*--backend conda` builds it anew"
    ):
        repair(made, source=place.source())


def test_a_prefix_that_was_moved_is_said_and_built_anew(place: Place, tmp_path: Path) -> None:
    made = place.make()
    moved = tmp_path / "moved"
    place.root.rename(moved)
    found = store.current("tiny-conda", moved)
    assert found is not None
    (fault,) = verify_fast(found).faults
    assert fault.what == f"was made for {made.path}, and a conda environment cannot be moved"
    with pytest.raises(BrokenError, match="a conda environment cannot be moved"):
        repair(found)
    again = place.make(moved)
    assert again.path != found.path
    assert again.seal == made.seal
    assert verify_full(again).faults == ()


def test_rollback_and_collection(place: Place) -> None:
    first, second = place.make(), place.make(fresh=True)
    assert store.rollback("tiny-conda", place.root) == first
    assert store.current("tiny-conda", place.root) == first
    (place.root / "tiny-conda~").unlink()
    assert collect(place.root)[0].folders == (second.path,)
    assert verify_full(first).faults == ()


def other_python(place: Place) -> None:
    """Lock a Python 9.9.9 whose package contains a Python of another version."""
    place.lock = channel(place.channel, python="9.9.9")
    name = toolchain(Path(place.name), place.locked, version="9.9.9")
    lock_conda(name, place.lock)


def no_python(place: Place) -> None:
    script = Content(files={"bin/python": b"#!/bin/sh\nexit 1\n"})
    place.lock = channel(place.channel, content=script)
    lock_conda(place.name, place.lock)


def other_archive(place: Place) -> None:
    content = python_content()
    files = {**content.files, "bin/where": b"#!/bin/sh\nrm -rf ~\n"}
    channel(place.channel, content=Content(files=files, links=content.links))


def gone_archive(place: Place) -> None:
    (place.channel / place.lock.packages[1].path).unlink()


def both_bring(place: Place) -> None:
    info = f"{SITE}/one-1.0.dist-info"
    content = python_content()
    files = {**content.files, f"{info}/METADATA": b"Name: one\n", f"{info}/RECORD": b""}
    place.lock = channel(place.channel, content=Content(files=files, links=content.links))
    lock_conda(place.name, place.lock)


@pytest.mark.parametrize(
    ("sicken", "error", "words"),
    [
        (other_python, NoInterpreterError, f"is unfit: it is {VERSION}; the toolchain accepts"),
        (no_python, BrokenError, f"its Python {VERSION} does not run"),
        (other_archive, InstallError, "python-.*: not the file that was locked; restore the lock"),
        (gone_archive, InstallError, "tzdata-.*: not there; give another --channel"),
        (both_bring, EnvError, "one"),
    ],
)
def test_a_sick_channel_is_one_line_and_the_environment_in_use_stays(
    place: Place, sicken: Callable[[Place], None], error: type[EnvError], words: str
) -> None:
    before = place.make()
    shutil.rmtree(place.root / "packages")
    sicken(place)
    place.fails(error, words, fresh=True)
    assert store.current("tiny-conda", place.root) == before
    assert verify_full(before).faults == ()


def test_a_channel_out_of_reach_is_one_line(place: Place) -> None:
    source = place.source(channel="http://127.0.0.1:9/channel")
    place.fails(UnreachableError, "the conda channel cannot be reached", source=source)


def test_a_named_python_is_for_a_venv(place: Place) -> None:
    place.fails(EnvError, "conda brings its own; leave one of them out", python=PYTHON)


def test_what_conda_brings_beside_the_lock_is_no_fault(place: Place) -> None:
    info = f"{SITE}/pip-23.0.dist-info"
    content = python_content()
    files = {**content.files, f"{info}/METADATA": b"Name: pip\n", f"{info}/RECORD": b""}
    place.lock = channel(place.channel, content=Content(files=files, links=content.links))
    lock_conda(place.name, place.lock)
    made = place.make()
    assert verify_full(made).faults == ()
    assert (made.path / info).is_dir()


def test_a_killed_build_harms_nothing_and_is_cleared_away(place: Place, tmp_path: Path) -> None:
    before = place.make()
    marker = tmp_path / "imported"
    slow = f"""\
import os, pathlib, time
pathlib.Path({str(marker)!r}).touch()
parent = os.getppid()
while os.getppid() == parent:
    time.sleep(0.01)
"""
    digest = wheel(place.wheels, "one", "1.0", {"one.py": slow})
    hanging = toolchain(tmp_path / "hanging", place.locked | {"one==1.0": digest})
    lock_conda(hanging, place.lock)
    command = [
        sys.executable,
        "-m",
        "sdcoreml",
        "env",
        "--toolchain",
        hanging,
        "--backend",
        "conda",
    ]
    command += ["--channel", place.channel.as_uri(), "--find-links", str(place.wheels)]
    environ = os.environ | {"SDCOREML_ENVS": str(place.root)}
    process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    while not marker.exists():
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(leftovers(place.root)) == 1
    assert store.current("tiny-conda", place.root) == before
    standard_wheels(place.wheels)
    assert place.make(fresh=True).seal == before.seal
    assert leftovers(place.root) == []


def test_files_that_differ_from_their_package_s_record_are_named(tmp_path: Path) -> None:
    paths = [
        {"_path": "bin/gone", "sha256": "aa"},
        {"_path": "bin/other", "sha256": "bb"},
        {"_path": "bin/link", "path_type": "softlink", "sha256": "cc"},
        {"_path": "bin/same", "sha256": hashlib.sha256(b"text").hexdigest()},
    ]
    record = {"name": "a", "version": "1", "build": "0", "paths_data": {"paths": paths}}
    for name in ("bin", "conda-meta"):
        (tmp_path / name).mkdir()
    (tmp_path / "conda-meta" / "a-1-0.json").write_text(json.dumps(record))
    for name in ("other", "same"):
        (tmp_path / "bin" / name).write_text("text")
    (tmp_path / "bin" / "link").symlink_to("nowhere")
    assert list(find_altered(tmp_path)) == ["a: bin/gone is missing", "a: bin/other differs"]
