from __future__ import annotations

import json
import os
import platform
import queue
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sdcoreml.envs.building.base import name_of
from sdcoreml.envs.building.build import BuildOptions, build, ready
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_full
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.errors import (
    BrokenError,
    EnvError,
    InstallError,
    NoInterpreterError,
    NoSpaceError,
    SdcoremlError,
)
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.wheels import PYTHON, VERSION, standard_wheels, toolchain, wheel


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return tmp_path / "wheels"


@pytest.fixture
def tiny(tmp_path: Path, wheels: Path) -> str:
    return toolchain(tmp_path / "tiny", standard_wheels(wheels))


def make(name: str, wheels: Path, root: Path, **asked: object) -> Environment:
    events = asked.pop("events", [])
    assert isinstance(events, list)
    options = BuildOptions(python=PYTHON, source=PackageSource(wheels=wheels), root=root, **asked)  # type: ignore[arg-type]
    return build(load_toolchain(name), options=options, emit=events.append)


def output(*command: Path | str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def leftovers(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob(".sdcoreml-*"))


def test_what_is_built_is_used_through_the_link(tiny: str, wheels: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    made = make(tiny, wheels, tmp_path / "envs", events=events)
    link = tmp_path / "envs" / "tiny"
    assert link.is_symlink()
    assert link.resolve() == made.path
    assert output(link / "bin" / "one") == f"one runs in {made.path}\n"
    assert output(link / "bin" / "python", "-c", "import two, one; print(two.VALUE)") == "2\n"
    assert (made.drift, made.interpreter.path) == (False, PYTHON)
    assert store.current("tiny", tmp_path / "envs") == made
    assert [(event.kind, event.text) for event in events if event.text] == [
        ("step", "check that there is room"),
        ("note", f"Python {VERSION} from --python: {PYTHON}"),
        ("step", "make an empty environment"),
        ("step", "install 2 locked packages"),
        ("step", "compile bytecode"),
        ("step", "compare what is installed with the lock"),
        ("note", f"lock {made.lock_digest[:16]}, target {made.target}"),
        ("step", "import the direct pins"),
        ("step", "hash every file and seal"),
    ]
    assert verify_full(made).faults == ()
    assert made.defects == ()
    assert leftovers(tmp_path / "envs") == []


def test_an_environment_survives_a_move(tiny: str, wheels: Path, tmp_path: Path) -> None:
    made = make(tiny, wheels, tmp_path / "envs")
    moved = tmp_path / "elsewhere"
    made.path.rename(moved)
    assert output(moved / "bin" / "one") == f"one runs in {moved}\n"
    activated = f". '{moved}/bin/activate' && command -v one && deactivate && ! command -v one"
    assert output("bash", "-c", activated) == f"{moved}/bin/one\n"


def test_a_second_build_has_nothing_to_do(tiny: str, wheels: Path, tmp_path: Path) -> None:
    first = make(tiny, wheels, tmp_path / "envs")
    shutil.rmtree(wheels)
    events: list[Event] = []
    assert make(tiny, wheels, tmp_path / "envs", events=events) == first
    assert events == []


def test_another_python_than_that_in_use_is_not_passed_over(
    tiny: str, wheels: Path, tmp_path: Path
) -> None:
    made = make(tiny, wheels, tmp_path / "envs")
    other = tmp_path / "other"
    answer = [str(other), VERSION, "PyPy", platform.system(), platform.machine(), True]
    other.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    other.chmod(0o755)
    for python, why in (
        (tmp_path / "absent", "cannot be run as a Python"),
        (other, "it is PyPy, not CPython"),
    ):
        options = BuildOptions(python=python, root=tmp_path / "envs")
        assert ready(load_toolchain(tiny), options) is None
        with pytest.raises(NoInterpreterError, match=f"{python}: {why}"):
            build(load_toolchain(tiny), options=options, emit=lambda _: None)
    assert store.current("tiny", tmp_path / "envs") == made


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_the_seal_is_equal_wherever_it_is_built(
    tiny: str, wheels: Path, tmp_path: Path, installer: str
) -> None:
    here = make(tiny, wheels, tmp_path / "here", installer=installer)
    there = make(tiny, wheels, tmp_path / "a" / "quite" / "other place", installer=installer)
    again = make(tiny, wheels, tmp_path / "here", installer=installer, fresh=True)
    assert here.seal == there.seal == again.seal
    assert here.path != again.path
    assert here.installer.startswith(installer)
    assert output(there.path / "bin" / "one") == f"one runs in {there.path}\n"


def test_the_seal_tells_environments_apart(tmp_path: Path, wheels: Path) -> None:
    locked = standard_wheels(wheels)
    before = make(toolchain(tmp_path / "t", locked), wheels, tmp_path / "envs")
    changed = wheel(wheels, "one", "1.0", {"one.py": "def main(): print('other')\n"})
    after = make(
        toolchain(tmp_path / "t", locked | {"one==1.0": changed}), wheels, tmp_path / "envs"
    )
    assert before.seal != after.seal
    assert store.previous("tiny", tmp_path / "envs") == before
    assert store.current("tiny", tmp_path / "envs") == after


def test_going_back_to_an_earlier_lock_needs_no_build(tmp_path: Path, wheels: Path) -> None:
    locked = standard_wheels(wheels)
    both = make(toolchain(tmp_path / "t", locked), wheels, tmp_path / "envs")
    only = {"one==1.0": locked["one==1.0"]}
    make(toolchain(tmp_path / "t", only), wheels, tmp_path / "envs")
    shutil.rmtree(wheels)
    assert make(toolchain(tmp_path / "t", locked), wheels, tmp_path / "envs") == both


def sick_toolchain(tmp_path: Path, wheels: Path, sickness: str) -> tuple[str, Path]:
    """Write a toolchain that cannot be built; return its name and the folder of its wheels."""
    locked = standard_wheels(wheels)
    match sickness:
        case "edited lock":
            locked["one==1.0"] = "0" * 64
        case "tampered wheel":
            wheels = tmp_path / "tampered"
            standard_wheels(wheels)
            wheel(wheels, "one", "1.0", {"one.py": "import os\n"})
        case "no such wheel":
            locked["three==3"] = "0" * 64
        case "no such folder":
            wheels = wheels / "nowhere"
        case "import fails":
            text = {"one.py": "import nothing_of_this_name\n"}
            locked["one==1.0"] = wheel(wheels, "one", "1.0", text)
        case "import dies":
            text = {"one.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"}
            locked["one==1.0"] = wheel(wheels, "one", "1.0", text)
        case "no room":
            return toolchain(tmp_path / "sick", locked, environment=10**18), wheels
    return toolchain(tmp_path / "sick", locked), wheels


@pytest.mark.parametrize(
    ("sickness", "error", "words"),
    [
        ("edited lock", InstallError, "a package is not the file that was locked"),
        ("tampered wheel", InstallError, "a package is not the file that was locked"),
        ("no such wheel", InstallError, "has no wheel for this machine"),
        ("no such folder", InstallError, "has no wheel for this machine.*nowhere"),
        ("import fails", BrokenError, "No module named 'nothing_of_this_name'"),
        ("import dies", BrokenError, "exit code -9"),
        (
            "no room",
            NoSpaceError,
            r"1000000.0 TB for the environment in .* needed, [\d.]+ \w+ free",
        ),
    ],
)
def test_a_failed_build_leaves_the_environment_in_use(
    tiny: str, tmp_path: Path, wheels: Path, sickness: str, error: type[EnvError], words: str
) -> None:
    root = tmp_path / "envs"
    before = make(tiny, wheels, root)
    name, where = sick_toolchain(tmp_path, wheels, sickness)
    with pytest.raises(error, match=words) as caught:
        make(name, where, root, fresh=True)
    assert "\n" not in str(caught.value)
    assert store.current("tiny", root) == before
    assert verify_full(before).faults == ()
    assert leftovers(root) == []


def test_an_unreachable_index_is_one_line(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    source = PackageSource(index="http://127.0.0.1:9/simple")
    options = BuildOptions(python=PYTHON, source=source, root=tmp_path / "envs")
    with pytest.raises(InstallError, match="the package index cannot be reached") as caught:
        build(load_toolchain(tiny), options=options)
    assert "\n" not in str(caught.value)


def test_settings_of_the_user_do_not_leak(
    tiny: str, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    (hostile / "sitecustomize.py").write_text("raise SystemExit('leaked')\n")
    (hostile / "two.py").write_text("raise SystemExit('leaked')\n")
    (hostile / "pip.conf").write_text("[install]\ntarget = /nowhere\n")
    (hostile / "uv.toml").write_text("link-mode = 'symlink'\n")
    for name, value in {
        "PYTHONPATH": str(hostile),
        "PYTHONHOME": "/nowhere",
        "PIP_CONFIG_FILE": str(hostile / "pip.conf"),
        "UV_CONFIG_FILE": str(hostile / "uv.toml"),
        "UV_LINK_MODE": "symlink",
        "PIP_TARGET": str(tmp_path / "target"),
        "PIP_FIND_LINKS": str(hostile),
    }.items():
        monkeypatch.setenv(name, value)
    made = make(tiny, wheels, tmp_path / "envs")
    links = [path for path in (made.path / "lib").rglob("*") if path.is_symlink()]
    assert links == []
    assert verify_full(made).faults == ()
    plain = make(tiny, wheels, tmp_path / "pip", installer="pip")
    assert verify_full(plain).faults == ()


def test_another_patch_is_drift_and_strict_refuses_it(tmp_path: Path, wheels: Path) -> None:
    name = toolchain(tmp_path / "t", standard_wheels(wheels), version="3.10.99")
    with pytest.raises(NoInterpreterError, match=rf"drift: Python {VERSION} stands in for"):
        make(name, wheels, tmp_path / "envs", strict=True)
    events: list[Event] = []
    made = make(name, wheels, tmp_path / "envs", events=events)
    assert made.drift
    text = f"drift: Python {VERSION} stands in for the tested 3.10.99"
    assert [event.text for event in events if event.kind == "warning"] == [text]


def test_a_folder_that_cannot_be_written_is_one_line(
    tiny: str, wheels: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvError, match="Not a directory; make it writable") as caught:
        make(tiny, wheels, tmp_path / "file" / "envs")
    assert "\n" not in str(caught.value)


def test_two_at_once_wait_and_say_so(tiny: str, wheels: Path, tmp_path: Path) -> None:
    root = tmp_path / "envs"
    said: queue.Queue[Event] = queue.Queue()
    made: list[Environment] = []

    def second() -> None:
        options = BuildOptions(python=PYTHON, source=PackageSource(wheels=wheels), root=root)
        made.append(build(load_toolchain(tiny), options=options, emit=said.put))

    thread = threading.Thread(target=second)
    with store.hold_lock(root):
        thread.start()
        first = said.get(timeout=120)
        assert (
            first.text
            == f"{root}: another build (process {os.getpid()}) is at work; waiting for it"
        )
        assert made == []
    thread.join(timeout=120)
    assert made == [store.current("tiny", root)]


def test_a_killed_build_harms_nothing_and_is_cleared_away(
    tiny: str, wheels: Path, tmp_path: Path
) -> None:
    root = tmp_path / "envs"
    before = make(tiny, wheels, root)
    marker = tmp_path / "imported"
    slow = f"""\
import os, pathlib, time
pathlib.Path({str(marker)!r}).touch()
parent = os.getppid()
while os.getppid() == parent:
    time.sleep(0.01)
"""
    locked = standard_wheels(wheels)
    good = toolchain(tmp_path / "good", locked)
    locked["one==1.0"] = wheel(wheels, "one", "1.0", {"one.py": slow})
    hanging = toolchain(tmp_path / "hanging", locked)
    command = [sys.executable, "-m", "sdcoreml", "env", "--toolchain", hanging]
    command += ["--python", str(PYTHON), "--find-links", str(wheels)]
    environ = os.environ | {"SDCOREML_ENVS": str(root)}
    process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    while not marker.exists():
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(leftovers(root)) == 1
    assert store.current("tiny", root) == before
    standard_wheels(wheels)
    assert make(good, wheels, root, fresh=True).seal == before.seal
    assert leftovers(root) == []


def test_the_owner_of_a_link_is_recorded_before_the_link_is_there(
    wheels: Path, tmp_path: Path
) -> None:
    root, home = tmp_path / "envs", tmp_path / "toolchains"
    home.mkdir()
    mine = toolchain(home / "mine", standard_wheels(wheels), name="mine")
    name = name_of(load_toolchain(mine), "venv")
    (root / name).mkdir(parents=True)  # the link cannot be made: as a kill just before
    with pytest.raises(SdcoremlError):
        make(mine, wheels, root)
    assert (root / f"{name}^").readlink() == home / "mine"
    (root / name).rmdir()
    made = make(mine, wheels, root)
    assert (made.name, (root / name).resolve()) == (name, made.path)
