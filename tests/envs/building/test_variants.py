from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.building.variants import fit, in_use, is_python_here
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.lockfiles.toolchain import PythonPin, Toolchain, load_toolchain
from tests.envs.wheels import PYTHON, VERSION, standard_wheels, toolchain


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuildOptions:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(PYTHON.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    source = PackageSource(wheels=tmp_path / "wheels")
    return BuildOptions(source=source, root=tmp_path / "envs")


@pytest.fixture
def tiny(tmp_path: Path) -> Toolchain:
    """Write a toolchain for Python 3.8.0, which is not here, with a variant for this Python."""
    locked = standard_wheels(tmp_path / "wheels")
    name = toolchain(tmp_path / "tiny", locked, version="3.8.0")
    minor = VERSION.rpartition(".")[0]
    toolchain(tmp_path / "tiny" / f"python{minor}", {"one==1.0": locked["one==1.0"]})
    for folder, accepted in ((name, "==3.8.0"), (f"{name}python{minor}", f"=={VERSION}")):
        file = Path(folder) / "toolchain.toml"
        file.write_text(file.read_text().replace(">=3.10", accepted))
    return load_toolchain(name)


def test_the_python_that_is_here_decides(tiny: Toolchain, options: BuildOptions) -> None:
    here = fit(tiny, options)
    assert (here.name, here.python.version, set(here.pins)) == ("tiny", VERSION, {"one"})
    assert fit(tiny, replace(options, python=PYTHON)) == here
    assert fit(tiny, replace(options, python=Path("/nowhere"))) == tiny
    assert fit(tiny, replace(options, backend="conda")) == tiny
    assert here.title == f"tiny for Python {VERSION.rpartition('.')[0]}"


def test_the_one_in_use_stays_though_its_python_is_gone(
    tiny: Toolchain, options: BuildOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert in_use(tiny, "venv", options.root) is None
    build(fit(tiny, options), options=options)
    monkeypatch.setenv("PATH", "/nowhere")
    used = in_use(tiny, "venv", options.root)
    assert used is not None
    assert used.is_variant
    assert fit(tiny, options) == used


def test_of_forms_with_the_same_lock_that_of_its_python_is_in_use(
    tiny: Toolchain, options: BuildOptions
) -> None:
    here = fit(tiny, options)
    text = (here.folder / "toolchain.toml").read_text()
    first = tiny.folder / "python3.0"  # comes first among the variants
    shutil.copytree(here.folder, first)
    (first / "toolchain.toml").write_text(text.replace(f"=={VERSION}", "==3.0.1"))
    build(here, options=options)
    assert in_use(tiny, "venv", options.root) == here


def test_nothing_is_brought_for_a_variant(
    tiny: Toolchain, options: BuildOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tiny.folder / f"python{VERSION.rpartition('.')[0]}" / "toolchain.toml"
    text = file.read_text().replace(f'version = "{VERSION}"', 'version = "3.8.1"')
    file.write_text(text)
    monkeypatch.setattr("sdcoreml.envs.building.provision.PROVIDERS", None)
    made = build(fit(tiny, options), options=options)
    assert (made.interpreter.version, made.drift) == (VERSION, True)


def test_a_toolchain_of_one_form_is_itself(tmp_path: Path, options: BuildOptions) -> None:
    name = toolchain(tmp_path / "t", standard_wheels(tmp_path / "wheels"), version="3.8.0")
    only = load_toolchain(name)
    assert fit(only, options) == only


def test_a_toolchain_of_one_form_needs_no_environment_to_be_known(tmp_path: Path) -> None:
    tested = load_toolchain("tested")
    assert in_use(tested, "venv", tmp_path) == tested
    assert in_use(load_toolchain("light"), "venv", tmp_path) is None


def test_a_python_that_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(PYTHON.parent))
    assert is_python_here(PythonPin(version=VERSION, accepted=f"=={VERSION}"))
    assert not is_python_here(PythonPin(version="3.8.0", accepted="==3.8.0"))
