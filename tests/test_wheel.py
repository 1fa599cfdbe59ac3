"""The wheel has one import name, and works beside distributions with similar names."""

from __future__ import annotations

import ast
import json
import os
import runpy
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("convert", "doctor", "envs", "ground", "lockfiles")
STRANGERS = ("doctor", "convert", "envs")
"""Top-level package names that other distributions use."""

MODULES = ("doctor", "convert", "sdcoreml")
"""The modules that `python -m` can run in a checkout."""

DATA = (
    "convert/certificates/certificates.json",
    "doctor/knowledge/layout.toml",
    "doctor/schemas/convert.schema.json",
    "doctor/studio/page/index.html",
    "lockfiles/data/clip-vocabulary.txt",
    "lockfiles/host/cluster.txt",
    "lockfiles/host/conda.txt",
    "lockfiles/host/studio.txt",
    "lockfiles/tested/toolchain.toml",
    "lockfiles/tested/requirements.linux-x86_64.txt",
    "py.typed",
)


def run(
    command: Sequence[str | Path], folder: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command, cwd=folder, env={**clean, **environ}, capture_output=True, text=True, check=False
    )


def build(folder: Path, target: str, into: Path) -> Path:
    """Build the project in `folder` as a `target` (wheel or sdist); return the file."""
    built = run([sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into], folder)
    assert built.returncode == 0, built.stderr
    (path,) = into.iterdir()
    return path


def pythons(wanted: Sequence[str]) -> Mapping[str, str]:
    """Return the interpreters of these versions that are on this machine."""
    found = {}
    for version in wanted:
        kept = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
        for path in (shutil.which(f"python{version}"), *map(str, kept)):
            # pyenv has shims even for versions that are not active.
            if path and run([path, "-c", ""], ROOT).returncode == 0:
                found[version] = path
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Make a folder outside the checkout, which has a foreign package called `doctor`."""
    folder = tmp_path / "elsewhere"
    stranger(folder, "doctor")
    return folder


def stranger(folder: Path, name: str) -> None:
    """Write a foreign package that ends any process which imports it."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"raise SystemExit('the foreign {name} was imported')\n")


def install(wheel: Path, python: str, folder: Path) -> Path:
    """Install the wheel beside other distributions in a new environment; return its `bin`."""
    made = run([python, "-m", "venv", "--without-pip", folder], ROOT)
    assert made.returncode == 0, made.stderr
    uv = Path(sysconfig.get_path("scripts"), "uv")
    words = ("pip", "install", "--offline", "--no-cache", "--no-deps", "--python", folder, wheel)
    installed = run([uv, *words], ROOT)
    assert installed.returncode == 0, installed.stderr
    (site,) = folder.glob("lib/python*/site-packages")
    for name in STRANGERS:
        stranger(site, name)
    libraries = Path(sysconfig.get_path("purelib"))
    if python == sys.executable:  # its libraries fit; others have the one that fits all
        (site / "libraries.pth").write_text(os.fspath(libraries))
    else:
        shutil.copytree(libraries / "platformdirs", site / "platformdirs")
    return folder / "bin"


def test_the_wheel_has_one_top_level_name_and_all_that_the_floors_hold(wheel: Path) -> None:
    held = set(ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in held} == {"sdcoreml", "sdcoreml-0.1.0.dist-info"}
    assert {name for name in held if ".dist-info/" not in name} == {
        Path("sdcoreml", path.relative_to(ROOT if floor != "sdcoreml" else ROOT / floor)).as_posix()
        for floor in (*FLOORS, "sdcoreml")
        for path in (ROOT / floor).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name in DATA:
        assert f"sdcoreml/{name}" in held


def test_a_wheel_from_the_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(build(ROOT, "sdist", tmp_path / "sdist"), tmp_path)
    (unpacked,) = tmp_path.glob("sdcoreml-*")
    again = build(unpacked, "wheel", tmp_path / "wheel")
    assert again.read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize("version", ["this", "3.10", "3.13"])
def test_the_wheel_runs_beside_packages_of_the_same_names(
    wheel: Path, tmp_path: Path, elsewhere: Path, version: str
) -> None:
    found = {"this": sys.executable, **pythons(("3.10", "3.13"))}
    if version not in found:
        pytest.skip(f"no Python {version} here")
    programs = install(wheel, found[version], tmp_path / "venv")
    foreign = os.fspath(elsewhere)
    own = (programs / "sdcoreml",)
    for words, folder in ((own, elsewhere), ((programs / "python", "-m", "sdcoreml"), tmp_path)):
        shown = run([*words, "--help"], folder, PYTHONPATH=foreign)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "usage: " in shown.stdout
    examined = run([*own, "doctor", "--json"], elsewhere, PYTHONPATH=foreign)
    assert examined.stderr == ""
    assert examined.returncode in {0, 1}  # 1: this machine has problems; those are not ours
    report = json.loads(examined.stdout)
    assert "unknown" not in {result["status"] for result in report["results"]}
    for command in (["env", "list"], ["explain", "MOD002"], ["convert", "--help"]):
        ran = run([*own, *command], elsewhere, PYTHONPATH=foreign)
        assert (ran.returncode, ran.stderr) == (0, "")


def test_an_installed_tool_names_itself_and_keeps_everything_in_the_users_folders(
    wheel: Path, tmp_path: Path, elsewhere: Path
) -> None:
    programs = install(wheel, sys.executable, tmp_path / "venv")
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")

    def held() -> set[Path]:
        return {path for path in site.rglob("*") if "__pycache__" not in path.parts}

    before, data = held(), tmp_path / "data"
    own = {"XDG_DATA_HOME": os.fspath(data), "SDCOREML_ENVS": ""}
    on_path = {**own, "PATH": f"{programs}:/usr/bin:/bin"}
    for environ, said in ((on_path, "sdcoreml"), (own, os.fspath(programs / "sdcoreml"))):
        lacking = run([programs / "sdcoreml", "env", "which"], elsewhere, **environ)
        assert lacking.returncode == 1
        assert lacking.stderr == (
            f"error: {data}/sdcoreml/envs/tested: no environment built; run `{said} env`\n"
        )
    assert run([programs / "sdcoreml", "clean"], elsewhere, **own).returncode == 0
    assert held() == before
    assert [path.name for path in elsewhere.iterdir()] == ["doctor"]


@pytest.mark.parametrize("module", MODULES)
def test_a_bare_clone_runs_without_any_library(module: str) -> None:
    for python in (sys.executable, *pythons(("3.10", "3.13")).values()):
        shown = run([python, "-B", "-S", "-m", module, "--help"], ROOT)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "usage: " in shown.stdout


OLDER = (
    "error: this is Python {}, sdcoreml needs 3.10 or newer; install one"
    " (python.org, Homebrew, pyenv) and run it again"
)


@pytest.mark.parametrize("module", MODULES)
def test_an_older_python_gets_one_clear_line(module: str) -> None:
    for version, python in pythons(("2.7", "3.6", "3.8", "3.9")).items():
        ended = run([python, "-B", "-m", module], ROOT)
        assert (ended.returncode, ended.stderr) == (1, OLDER.format(version) + "\n")


def test_an_older_python_is_told_even_where_none_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(os.fspath(ROOT / "sdcoreml" / "__init__.py"))
    assert caught.value.code == OLDER.format("3.9")


def test_an_older_python_gets_as_far_as_that_line() -> None:
    entries = [ROOT / module / "__main__.py" for module in MODULES]
    for path in (*entries, *(path.with_name("__init__.py") for path in entries)):
        ast.parse(path.read_text(encoding="ascii"), feature_version=(3, 4))
