"""The small parts that a fresh environment passes through."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from envs import bytecode, inventory, manifest, smoke, venv
from envs.errors import BrokenError, EnvError, InstallError, NoSpaceError
from envs.interpreter import probe
from envs.normalise import normalise
from lockfiles.lock import Lock, LockedPackage
from tests.envs.wheels import PYTHON

HASH = "sha256:" + "a" * 64


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    interpreter = probe(PYTHON)
    assert interpreter is not None
    venv.create(tmp_path / "env", interpreter)
    return tmp_path / "env"


def install(folder: Path, name: str, version: str, rows: str = "") -> Path:
    info = venv.site_packages(folder) / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(rows)
    return info


def lock(*packages: tuple[str, str, str]) -> Lock:
    locked = tuple(
        LockedPackage(name=name, version=version, hashes=(HASH,), marker=marker)
        for name, version, marker in packages
    )
    return Lock(
        toolchain="tiny", target="linux-x86_64", path=Path("lock"), digest="", packages=locked
    )


def test_an_empty_environment_runs_and_is_isolated_from_its_base(empty: Path) -> None:
    program = "import sys; print(sys.prefix); print(sys.prefix != sys.base_prefix)"
    done = subprocess.run(
        [empty / "bin/python3", "-I", "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == f"{empty}\nTrue\n"
    paths = "import sys; print(sum('site-packages' in p for p in sys.path))"
    done = subprocess.run(
        [empty / "bin/python", "-I", "-c", paths], check=True, capture_output=True, text=True
    )
    assert done.stdout == "1\n"


def test_two_empty_environments_have_the_same_seal(empty: Path, tmp_path: Path) -> None:
    interpreter = probe(PYTHON)
    assert interpreter is not None
    venv.create(tmp_path / "other place", interpreter)
    seals = [
        manifest.seal_of(manifest.take(folder), {}) for folder in (empty, tmp_path / "other place")
    ]
    assert seals[0] == seals[1]


def test_what_is_locked_is_installed(empty: Path) -> None:
    install(empty, "Foo_Bar", "1.0")
    install(empty, "torch", "2.2.0+cpu")
    wanted = lock(("foo-bar", "1.0", ""), ("torch", "2.2.0+cpu", ""), ("mac", "1", "no"))
    assert inventory.installed(empty) == {"foo-bar": "1.0", "torch": "2.2.0+cpu"}
    inventory.compare(empty, wanted)


def test_every_difference_from_the_lock_is_named(empty: Path) -> None:
    install(empty, "one", "1.1")
    install(empty, "extra", "3")
    with pytest.raises(InstallError) as caught:
        inventory.compare(empty, lock(("one", "1.0", ""), ("two", "2", "")))
    text = "lock: two 2 is missing; extra 3 is not in the lock; one is 1.1, locked is 1.0;"
    assert str(caught.value).startswith(text)


def test_a_wheel_with_a_wrong_record_is_reported(empty: Path) -> None:
    site = venv.site_packages(empty)
    (site / "one.py").write_text("abc")
    right = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
    rows = f"one.py,sha256={right},3\ngone.py,sha256={right},3\n../../../bin/x,sha256=x,\n"
    install(empty, "one", "1.0", rows + "note.txt,,\n")
    (site / "two.py").write_text("xyz")
    install(empty, "two", "1.0", f"two.py,sha256={right},3\n")
    defects = inventory.defects(empty, manifest.take(empty))
    base = site.relative_to(empty)
    said = [str(defect) for defect in defects]
    assert said == [f"one: {base}/gone.py is missing", f"two: {base}/two.py differs"]


@pytest.mark.parametrize(
    "head",
    [
        "#!{python}\n",
        "#!{python} -I\n",
        "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n",
        "#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''\n",
    ],
)
def test_scripts_lose_the_path_and_record_agrees(empty: Path, head: str) -> None:
    script = empty / "bin/tool"
    body = "import sys\nprint(sys.prefix)\n"
    script.write_text(head.format(python=empty / "bin/python") + body)
    script.chmod(0o755)
    info = install(empty, "tool", "1.0", "../../../bin/tool,sha256=old,1\nother.py,,\n")
    normalise(empty)
    assert str(empty) not in script.read_text()
    moved = empty.rename(empty.parent / "moved here")
    done = subprocess.run([moved / "bin/tool"], check=True, capture_output=True, text=True)
    assert done.stdout == f"{moved}\n"
    (row, other) = manifest.read_record(moved / info.relative_to(empty) / "RECORD")
    assert row[2] == str((moved / "bin/tool").stat().st_size)
    assert row[1].startswith("sha256=") and row[1] != "sha256=old"  # noqa: PT018  one claim
    assert other == ["other.py", "", ""]


def test_other_scripts_are_left_alone(empty: Path) -> None:
    texts = {
        "shell": "#!/bin/sh\necho hi\n",
        "other": "#!/usr/bin/env python\n",
        "data": "\x00\x01",
    }
    for name, text in texts.items():
        (empty / "bin" / name).write_text(text)
    normalise(empty)
    assert {name: (empty / "bin" / name).read_text() for name in texts} == texts


def test_notes_of_the_installer_go(empty: Path) -> None:
    info = install(empty, "one", "1.0", "one-1.0.dist-info/uv_cache.json,sha256=x,9\none.py,,\n")
    (info / "uv_cache.json").write_text("{}")
    normalise(empty)
    assert not (info / "uv_cache.json").exists()
    assert (info / "RECORD").read_text() == "one.py,,\n"


SOURCES = {
    "plain.py": "def f(x): return x in {'a', None, (1, None), 'b', ...} or x in {1, 2.5}\n",
    "package/__init__.py": "VALUE = 'shared'\n",
    "package/bad.py": "{% if template %}\n",
    "package/latin.py": "# -*- coding: latin-1 -*-\nX = '\xe9'\n",
}


def test_bytecode_is_the_same_wherever_it_is_compiled(empty: Path, tmp_path: Path) -> None:
    interpreter = probe(PYTHON)
    assert interpreter is not None
    venv.create(tmp_path / "other", interpreter)
    found = []
    for folder in (empty, tmp_path / "other"):
        site = venv.site_packages(folder)
        for name, text in SOURCES.items():
            (site / name).parent.mkdir(exist_ok=True)
            (site / name).write_bytes(text.encode("latin-1"))
        bytecode.compile_all(folder)
        found.append({path.relative_to(site): path.read_bytes() for path in site.rglob("*.pyc")})
    assert found[0] == found[1]
    program = "import plain; print([plain.f(x) for x in (None, 'a', (1, None), 2.5, 'c')])"
    command = [str(empty / "bin/python"), "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "[True, True, True, True, False]\n"
    stems = {path.name.partition(".")[0] for path in found[0]}
    assert stems == {"plain", "__init__", "latin"}


def test_bytecode_is_used_and_checked_against_its_source(empty: Path) -> None:
    site = venv.site_packages(empty)
    (site / "plain.py").write_text("X = 1\n")
    bytecode.compile_all(empty)
    (compiled,) = (site / "__pycache__").iterdir()
    before = compiled.read_bytes()
    command = [str(empty / "bin/python"), "-c", "import plain; print(plain.X, plain.__file__)"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"1 {site}/plain.py\n"
    assert compiled.read_bytes() == before
    (site / "plain.py").write_text("X = 2\n")
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("2 ")


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ("no good", BrokenError, "cannot compile bytecode: no good"),
        ("OSError: [Errno 28] No space left on device", NoSpaceError, "the disk is full"),
    ],
)
def test_a_compiler_that_dies_is_one_line(
    empty: Path, said: str, error: type[EnvError], words: str
) -> None:
    (venv.site_packages(empty) / "one.py").write_text("")
    (empty / "bin/python").unlink()
    (empty / "bin/python").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 3\n")
    (empty / "bin/python").chmod(0o755)
    with pytest.raises(error, match=words):
        bytecode.compile_all(empty)


def test_pins_are_imported_by_their_modules() -> None:
    projects = ("scikit-learn", "huggingface-hub", "protobuf", "torch")
    modules = [smoke.module_of(project) for project in projects]
    assert modules == ["sklearn", "huggingface_hub", "google.protobuf", "torch"]


def test_all_failing_imports_are_named_and_nothing_is_written(empty: Path) -> None:
    site = venv.site_packages(empty)
    (site / "good.py").write_text(
        "import pathlib\npathlib.Path('~').expanduser().mkdir(exist_ok=True)"
    )
    (site / "bad.py").write_text("raise RuntimeError('two\\nlines')")
    smoke.import_all(empty / "bin/python", ["good"])
    with pytest.raises(BrokenError, match=r"bad: RuntimeError: two lines; gone: Module") as caught:
        smoke.import_all(empty / "bin/python", ["bad", "good", "gone"])
    assert "\n" not in str(caught.value)
    assert not (site / "__pycache__").exists()
