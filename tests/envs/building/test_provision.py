from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.building import provision
from sdcoreml.envs.building.base import VENV
from sdcoreml.envs.building.build import BuildOptions, build, ready
from sdcoreml.envs.building.provision import (
    PROVIDERS,
    Provider,
    PythonWish,
    obtain,
)
from sdcoreml.envs.care.garbage import collect
from sdcoreml.envs.care.repair import repair
from sdcoreml.envs.conda.engine import Engine
from sdcoreml.envs.kept.verify import verify_full
from sdcoreml.ground.errors import (
    InstallError,
    NoInterpreterError,
    NoSpaceError,
    SdcoremlError,
    UnreachableError,
)
from sdcoreml.ground.events import Event, silent
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.channel import MINOR, channel, lock_conda, python_content
from tests.envs.conda_engine import lend_engine, real_engine
from tests.envs.wheels import PYTHON, VERSION, standard_wheels, toolchain


def no_engine() -> Engine:
    """Fail: this engine must not be asked for."""
    raise AssertionError


def wish(
    tmp_path: Path, *, version: str = "3.10.10", environ: Mapping[str, str] | None = None
) -> PythonWish:
    name = toolchain(tmp_path / "t", standard_wheels(tmp_path / "wheels"), version=version)
    return PythonWish(
        toolchain=load_toolchain(name),
        root=tmp_path / "envs",
        channel=(tmp_path / "channel").as_uri(),
        engine=no_engine,
        emit=silent,
        environ={"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")} | dict(environ or {}),
    )


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def python(path: Path, version: str) -> str:
    """Return a shell command that creates a fake Python of the given version at `path`."""
    answer = json.dumps([str(path), version, "CPython", *machine(), True])
    lines = f"mkdir -p {path.parent}; printf '#!/bin/sh\\necho '\"'\"'%s'\"'\"'\\n' '{answer}'"
    return f"{lines} > {path}; chmod +x {path}"


def machine() -> tuple[str, str]:
    return sys.platform, platform.machine()


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Restrict the table of Python providers to the named ones."""
    some = tuple(provider for provider in PROVIDERS if provider.name in names)
    monkeypatch.setattr(provision, "PROVIDERS", some)


def test_the_quickest_comes_first() -> None:
    assert [provider.name for provider in PROVIDERS] == ["uv", "conda", "pyenv"]


def test_a_python_that_is_here_is_not_brought(tmp_path: Path) -> None:
    here = wish(tmp_path, version=VERSION, environ={"PATH": str(PYTHON.parent)})
    assert obtain(here).interpreter.path == PYTHON


def test_when_no_way_leads_there_each_says_why(tmp_path: Path) -> None:
    with pytest.raises(NoInterpreterError) as caught:
        obtain(wish(tmp_path))
    text = str(caught.value)
    assert text.startswith("no Python 3.10.10 could be obtained: uv: it has no 3.10.10; conda: ")
    assert "are not locked for" in text
    assert f"`sdcoreml env lock --conda --toolchain {tmp_path}/t/`" in text
    assert text.endswith("; pyenv: not on PATH; install it by hand and name it with --python PATH")
    assert "\n" not in text


def test_pyenv_builds_it(tmp_path: Path) -> None:
    prefix = tmp_path / "pyenv-root" / "versions" / "3.10.10"
    script = f"""\
echo "$PYENV_ROOT $@" >> {tmp_path}/asked
case $1 in
install) {python(prefix / "bin" / "python", "3.10.10")};;
prefix) echo {prefix};;
esac"""
    program(tmp_path / "bin" / "pyenv", script)
    said: list[Event] = []
    environ = {"PYENV_ROOT": str(tmp_path / "pyenv-root"), "PATH": f"{tmp_path}/bin:/bin:/usr/bin"}
    choice = obtain(replace(wish(tmp_path, environ=environ), emit=said.append))
    assert (choice.drift, choice.interpreter.version) == (False, "3.10.10")
    assert choice.interpreter.path == prefix / "bin" / "python"
    root = tmp_path / "pyenv-root"
    assert (tmp_path / "asked").read_text() == (
        f"{root} install --skip-existing 3.10.10\n{root} prefix 3.10.10\n"
    )
    assert [event.text for event in said] == ["let pyenv build Python 3.10.10 (minutes)"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo downloading; echo 'curl: no such host' >&2; exit 1", r"pyenv said: curl: no such"),
        ("exit 3", r"pyenv said: exit code 3"),
        ("echo /nowhere", r"pyenv: /nowhere/bin/python: cannot be run as a Python"),
    ],
)
def test_a_pyenv_that_fails_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    only(monkeypatch, "pyenv")
    program(tmp_path / "bin" / "pyenv", script)
    with pytest.raises(NoInterpreterError, match=words) as caught:
        obtain(wish(tmp_path, environ={"PATH": f"{tmp_path}/bin:/bin:/usr/bin"}))
    assert "\n" not in str(caught.value)


def test_a_python_of_another_version_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "pyenv")
    prefix = tmp_path / "prefix"
    script = f"echo {prefix}; {python(prefix / 'bin' / 'python', '3.10.11')}"
    program(tmp_path / "bin" / "pyenv", script)
    with pytest.raises(NoInterpreterError, match=r"it is 3\.10\.11; the toolchain accepts ==3"):
        obtain(wish(tmp_path, environ={"PATH": f"{tmp_path}/bin:/bin:/usr/bin"}))


def test_uv_brings_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "managed" / "cpython-3.10.99" / "bin" / "python3.10"
    script = f"""\
echo "$UV_PYTHON_INSTALL_DIR $@" >> {tmp_path}/asked
case "$1 $2" in
'python install') {python(file, "3.10.99")};;
'python find') echo {file};;
esac"""
    uv = program(tmp_path / "uv-program" / "uv", script)
    monkeypatch.setattr(sys, "executable", str(uv.with_name("python")))  # uv is looked for beside
    environ = {"UV_PYTHON_INSTALL_DIR": str(tmp_path / "managed")}
    choice = obtain(wish(tmp_path, version="3.10.99", environ=environ))
    assert choice.interpreter.path == file
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0].startswith(f"{tmp_path}/managed python install --no-config")
    assert len(asked) == 2


def test_a_full_disk_is_not_another_provider_s_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_wish: PythonWish) -> Path:
        raise NoSpaceError("/: full")

    table = (
        Provider(name="one", lacks=lambda _: "", provide=full),
        Provider(name="two", lacks=lambda _: "", provide=never),
    )
    monkeypatch.setattr(provision, "PROVIDERS", table)
    with pytest.raises(NoSpaceError):
        obtain(wish(tmp_path))


@pytest.fixture
def conda_wish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PythonWish:
    """Return a request for a Python that can only be made from conda packages."""
    only(monkeypatch, "conda")
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    wanted = wish(tmp_path, version=VERSION)
    lock_conda(f"{wanted.toolchain.folder}/", channel(tmp_path / "channel"))
    (tmp_path / "envs").mkdir()
    return replace(wanted, engine=real_engine)


def test_conda_packages_bring_it_into_the_store(conda_wish: PythonWish) -> None:
    said: list[Event] = []
    choice = obtain(replace(conda_wish, emit=said.append))
    prefix = choice.interpreter.path.parent.parent
    assert prefix.parent == conda_wish.root
    assert prefix.name.startswith(f"python-{VERSION}-")
    assert (choice.drift, choice.interpreter.version) == (False, VERSION)
    assert choice.interpreter.source == "conda"
    assert said[0].text == f"bring Python {VERSION} from {conda_wish.channel}"
    again = obtain(replace(conda_wish, engine=no_engine))
    assert again.interpreter.path.resolve() == choice.interpreter.path.resolve()
    assert sorted(path.name for path in conda_wish.root.glob(".sdcoreml-*")) == []


def test_a_conda_channel_that_fails_leaves_nothing(conda_wish: PythonWish) -> None:
    with pytest.raises(NoInterpreterError, match=r"conda: .*not there; give another --channel"):
        obtain(replace(conda_wish, channel="file:///nowhere"))
    assert not list(conda_wish.root.glob("python-*"))
    assert not list(conda_wish.root.glob(".sdcoreml-*"))


def test_a_venv_is_built_on_it_and_it_goes_with_the_last_of_them(
    conda_wish: PythonWish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    lend_engine(conda_wish.root)
    source = replace(BuildOptions().source, wheels=tmp_path / "wheels", channel=conda_wish.channel)
    options = BuildOptions(backend=VENV, provision=True, source=source, root=conda_wish.root)
    made = build(conda_wish.toolchain, options=options)
    assert (made.backend, made.drift) == ("venv", False)
    assert made.interpreter.path.is_relative_to(conda_wish.root)
    assert (made.path / "bin" / "python").resolve().name == f"python{MINOR}"
    assert verify_full(made).faults == ()
    prefix = made.interpreter.path.parent.parent
    harm(prefix)
    assert {fault.owner for fault in verify_full(made).faults} >= {"(python)"}
    done = repair(made, toolchain=conda_wish.toolchain, source=source)
    names = {path.rpartition("/")[2] for path in done.restored}
    assert names >= {f"python{MINOR}", "libplace.so", "_place.py", "os.py", "sitecustomize.py"}
    assert verify_full(made).faults == ()
    collect(conda_wish.root)
    assert prefix.is_dir()
    (conda_wish.root / "tiny").unlink()
    collect(conda_wish.root)
    assert not prefix.exists()


def harm(prefix: Path) -> None:
    """Damage an installed Python in several ways.

    Its files are mostly links into the Python that runs the tests, so links are removed, not
    edited.
    """
    library = prefix / f"lib/python{MINOR}"
    (library / "_place.py").write_text("PREFIX = ''\n")
    (library / "os.py").unlink()
    (library / "sitecustomize.py").write_text("import os\n")
    (library / "torch").mkdir()
    (prefix / "lib/libplace.so").chmod(0o666)
    (prefix / f"bin/python{MINOR}").unlink()


RELABELLED = VERSION[:-1] + ("1" if VERSION.endswith("0") else "0")
"""A version that differs from the running Python's in its patch number only."""


def test_the_exact_python_is_brought_unasked_though_another_patch_is_here(
    conda_wish: PythonWish, tmp_path: Path
) -> None:
    name = toolchain(tmp_path / "t", standard_wheels(tmp_path / "wheels"), version=RELABELLED)
    content = python_content(RELABELLED)
    lock_conda(name, channel(tmp_path / "exact", python=RELABELLED, content=content))
    lend_engine(conda_wish.root)
    source = replace(
        BuildOptions().source, wheels=tmp_path / "wheels", channel=(tmp_path / "exact").as_uri()
    )
    said: list[Event] = []
    made = build(
        load_toolchain(name),
        options=BuildOptions(source=source, root=conda_wish.root),
        emit=said.append,
    )
    assert (made.interpreter.version, made.drift) == (RELABELLED, False)
    assert [event for event in said if event.kind == "warning"] == []
    assert verify_full(made).faults == ()


def failing(words: str) -> Provider:
    def provide(_wish: PythonWish) -> Path:
        raise InstallError(words, remedy="try again")

    return Provider(name="one", lacks=lambda _: "", provide=provide)


def never(_wish: PythonWish) -> Path:
    raise AssertionError


@pytest.fixture
def another_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PythonWish:
    """Return a request for a patch version that is not on this machine, where another one is."""
    slow = Provider(name="slow", lacks=lambda _: "", provide=never, slow=True)
    monkeypatch.setattr(provision, "PROVIDERS", (failing("a wrong hash"), slow))
    return wish(tmp_path, version=RELABELLED, environ={"PATH": str(PYTHON.parent)})


def test_where_it_cannot_be_had_another_patch_stands_in(another_here: PythonWish) -> None:
    said: list[Event] = []
    choice = obtain(replace(another_here, emit=said.append), strict=False)
    assert (choice.interpreter.version, choice.drift) == (VERSION, True)
    text = f"no Python {RELABELLED} could be obtained: one: a wrong hash"
    assert said == [Event(kind="note", text=text)]


def test_whoever_insists_gets_no_other(
    another_here: PythonWish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provision, "PROVIDERS", (failing("a wrong hash"),))
    with pytest.raises(NoInterpreterError, match="one: a wrong hash; try again"):
        obtain(another_here)


def test_no_channel_costs_no_engine(
    another_here: PythonWish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "conda")
    monkeypatch.setattr(provision, "PROVIDERS", PROVIDERS[1:2])
    content = python_content(RELABELLED)
    lock = channel(tmp_path / "channel", python=RELABELLED, content=content)
    lock_conda(f"{another_here.toolchain.folder}/", lock)
    said: list[Event] = []
    away = replace(another_here, channel="http://127.0.0.1:9/conda-forge", emit=said.append)
    choice = obtain(away, strict=False)
    assert choice.drift
    (event,) = said
    assert event.text.endswith("conda: it cannot be reached: Connection refused")


def test_without_any_uv_brings_another_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "managed" / "cpython-3.10.99" / "bin" / "python3.10"
    script = f"""\
case "$1 $2 $5$6$7" in
'python install 3.10') {python(file, "3.10.99")};;
'python find '*) echo {file};;
*) echo "no $*" >&2; exit 1;;
esac"""
    uv = program(tmp_path / "uv-program" / "uv", script)
    monkeypatch.setattr(sys, "executable", str(uv.with_name("python")))
    monkeypatch.setattr(provision, "PROVIDERS", (failing("a wrong hash"),))
    choice = obtain(wish(tmp_path), strict=False)
    assert (choice.interpreter.version, choice.drift) == ("3.10.99", True)
    program(uv, "case $* in *quiet*) ;; *) echo 'cause: no route to host' >&2;; esac; exit 1")
    file.unlink()
    with pytest.raises(NoInterpreterError, match=r"a wrong hash.*uv, another patch: .*no route"):
        obtain(wish(tmp_path), strict=False)


@pytest.mark.parametrize(
    ("error", "environ", "retries"),
    [
        (UnreachableError("no route", remedy="wait"), {}, "0"),
        (UnreachableError("no route", remedy="wait"), {"UV_HTTP_RETRIES": "7"}, "7"),
        (InstallError("a wrong hash", remedy="wait"), {}, ""),
    ],
)
def test_uv_is_not_kept_asking_where_there_is_no_network(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: SdcoremlError,
    environ: dict[str, str],
    retries: str,
) -> None:
    def fail(_wish: PythonWish) -> Path:
        raise error

    monkeypatch.delenv("UV_HTTP_RETRIES", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    uv = program(
        tmp_path / "uv-program" / "uv", f'echo "$UV_HTTP_RETRIES" >> {tmp_path}/asked; exit 1'
    )
    monkeypatch.setattr(sys, "executable", str(uv.with_name("python")))
    table = (Provider(name="one", lacks=lambda _: "", provide=fail),)
    monkeypatch.setattr(provision, "PROVIDERS", table)
    said: list[Event] = []
    with pytest.raises(NoInterpreterError):
        obtain(replace(wish(tmp_path, environ=environ), emit=said.append), strict=False)
    assert (tmp_path / "asked").read_text() == f"{retries}\n"
    assert said[-1].text == "let uv bring Python 3.10 (about 30 MB)"


def test_a_drifting_environment_in_use_stays_unless_one_insists(
    another_here: PythonWish, tmp_path: Path
) -> None:
    source = replace(BuildOptions().source, wheels=tmp_path / "wheels")
    options = BuildOptions(python=PYTHON, source=source, root=tmp_path / "envs")
    made = build(another_here.toolchain, options=options)
    assert made.drift
    assert ready(another_here.toolchain, replace(options, python=None)) == made
    assert ready(another_here.toolchain, replace(options, python=None, strict=True)) is None
